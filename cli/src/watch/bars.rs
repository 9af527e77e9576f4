//! Draws a series of percentages as a line of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block for each percentage, from 0 to 100.
pub(super) fn bars(shares: impl Iterator<Item = u8>) -> String {
    let block = |share: u8| {
        let place = usize::from(share.min(100)) * (BLOCKS.len() - 1) / 100;
        // Anything above zero must differ from zero.
        BLOCKS.get(place.max(usize::from(share > 0))).copied().unwrap_or(' ')
    };
    shares.map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::bars;

    #[test]
    fn nothing_is_the_lowest_block_all_the_highest_and_a_little_is_seen() {
        assert_eq!(bars([0, 1, 50, 99, 100, 255].into_iter()), "▁▂▄▇██");
    }
}
