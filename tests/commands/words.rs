//! The words of a command, as a shell sees them. As much as the pages use.

/// The words, without their quotes and without a comment. An operator such as `|` is a word if there are spaces around it.
pub(super) fn words(command: &str) -> Vec<String> {
    let command = command.replace("\\\n", " ");
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in without_comment(&command).chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// A comment begins with a `#` after a space, outside of quotes.
pub(super) fn without_comment(command: &str) -> &str {
    let (mut quote, mut is_after_space) = (None, true);
    for (at, letter) in command.char_indices() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '#') if is_after_space => return command[..at].trim_end(),
            _ => {}
        }
        is_after_space = letter.is_whitespace();
    }
    command.trim_end()
}

/// The variables that are set for the command, and the other words.
pub(super) fn assignments(words: &[String]) -> (&[String], &[String]) {
    let is_name = |name: &str| {
        name.chars()
            .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
    };
    let is_assignment = |word: &&String| {
        word.split_once('=').is_some_and(|(name, _)| is_name(name) && !name.is_empty())
    };
    let count = words.iter().take_while(is_assignment).count();
    words.split_at(count)
}

/// The words before `--`, and those behind it.
pub(super) fn split(words: &[String]) -> (&[String], &[String]) {
    match words.iter().position(|word| word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => (words, &[]),
    }
}

#[test]
fn the_words_are_those_of_a_shell() {
    let words = |command| words(command);
    assert_eq!(words("a 'b c' \"d\"e  # f"), ["a", "b c", "de"]);
    assert_eq!(words("a --b='c d' \\\n  \"#e\""), ["a", "--b=c d", "#e"]);
    let all = words("A_B=1 C='d e' f G=h");
    let (assigned, rest) = assignments(&all);
    assert_eq!((assigned.len(), rest.len()), (2, 2));
    assert_eq!(without_comment("curl a#b # c"), "curl a#b");
}
