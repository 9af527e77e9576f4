//! Finds RSA moduli that can be factored at once, or by a known attack.

/// The primes up to this one must not divide a modulus (NIST SP 800-89, section 5.3.3).
const LARGEST_SMALL_PRIME: u32 = 751;
/// The fingerprint of ROCA (CVE-2017-15361) is computed modulo the primes up to this one.
const LARGEST_ROCA_PRIME: u32 = 167;

/// Why signatures with this modulus cannot be trusted. `None` if no weakness is found.
///
/// All three tests use the remainders modulo small primes. A properly generated modulus never fails the first
/// test. It fails the second once in 2^132 keys, and the third once in 2^27.
pub(super) fn weakness(modulus: &[u8]) -> Option<&'static str> {
    let remainders = || small_primes().map(|prime| (prime, remainder(modulus, prime)));
    if remainder(modulus, 2) == 0 || remainders().any(|(_, remainder)| remainder == 0) {
        return Some("the modulus has a small factor");
    }
    // The number p² has a square root modulo every prime. Another number has none modulo half of them.
    if remainders().all(|(prime, remainder)| power(remainder, (prime - 1) / 2, prime) == 1) {
        return Some("the modulus is a square");
    }
    // In such a key, both primes are powers of 65537 modulo a product of small primes. So their product, the
    // modulus, is one too.
    let fingerprint = || remainders().take_while(|(prime, _)| *prime <= LARGEST_ROCA_PRIME);
    if fingerprint().all(|(prime, remainder)| is_power_of_65537(remainder, prime)) {
        return Some("the modulus has the fingerprint of ROCA, CVE-2017-15361");
    }
    None
}

/// The odd primes up to [`LARGEST_SMALL_PRIME`].
fn small_primes() -> impl Iterator<Item = u32> {
    let is_prime =
        |number: &u32| (3..).take_while(|d| d * d <= *number).all(|d| !number.is_multiple_of(d));
    (3..=LARGEST_SMALL_PRIME).step_by(2).filter(is_prime)
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |remainder, byte| (remainder * 256 + u32::from(*byte)) % prime)
}

fn power(base: u32, exponent: u32, prime: u32) -> u32 {
    (0..exponent).fold(1, |power, _| power * base % prime)
}

fn is_power_of_65537(remainder: u32, prime: u32) -> bool {
    let powers = std::iter::successors(Some(1), |power| Some(power * 65_537 % prime));
    // There are at most `prime - 1` different powers.
    powers.take(prime as usize).any(|power| power == remainder)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;
    use crate::auth::authenticator::tests::provider::{KEYS, ROCA_MODULUS, modulus};

    fn square(number: &[u8]) -> Vec<u8> {
        let mut square = vec![0_u64; number.len() * 2];
        for (i, a) in number.iter().rev().enumerate() {
            for (j, b) in number.iter().rev().enumerate() {
                square[i + j] += u64::from(*a) * u64::from(*b);
            }
        }
        let mut carry = 0;
        let bytes = square.into_iter().map(|sum| {
            carry += sum;
            let byte = u8::try_from(carry % 256).unwrap();
            carry /= 256;
            byte
        });
        let mut bytes: Vec<u8> = bytes.collect();
        bytes.reverse();
        bytes
    }

    fn times(number: &[u8], factor: u32) -> Vec<u8> {
        let mut carry = 0;
        let bytes = number.iter().rev().map(|byte| {
            carry += u32::from(*byte) * factor;
            let byte = u8::try_from(carry % 256).unwrap();
            carry /= 256;
            byte
        });
        let mut bytes: Vec<u8> = bytes.collect();
        bytes.extend_from_slice(&carry.to_le_bytes());
        bytes.reverse();
        bytes
    }

    #[test]
    fn an_honest_modulus_has_no_weakness() {
        for key in [&KEYS.rsa, &KEYS.other_rsa] {
            assert_eq!(weakness(&modulus(key)), None);
        }
    }

    #[test]
    fn the_modulus_of_a_faulty_chip_has_the_fingerprint_of_roca() {
        let modulus = URL_SAFE_NO_PAD.decode(ROCA_MODULUS).unwrap();
        assert_eq!(
            weakness(&modulus),
            Some("the modulus has the fingerprint of ROCA, CVE-2017-15361")
        );
    }

    #[test]
    fn a_modulus_with_a_small_factor_and_a_square_are_weak() {
        let honest = modulus(&KEYS.rsa);
        for prime in [2, 3, 5, 7, 167, 173, 743, 751] {
            let product = times(&honest, prime);
            assert_eq!(weakness(&product), Some("the modulus has a small factor"), "{prime}");
        }
        assert_eq!(weakness(&times(&honest, 757)), None, "757 is too large to be small");
        assert_eq!(weakness(&square(&honest)), Some("the modulus is a square"));
        assert_eq!(weakness(&[0xff; 256]), Some("the modulus has a small factor"));
    }

    #[test]
    fn there_are_132_odd_primes_below_752() {
        assert_eq!(small_primes().count(), 132);
        assert_eq!(small_primes().take(5).collect::<Vec<_>>(), [3, 5, 7, 11, 13]);
        assert_eq!(small_primes().last(), Some(751));
    }

    /// Mutant: without the fingerprint, the key of the faulty chip looks like any other.
    #[test]
    fn the_size_of_a_key_does_not_show_that_it_is_weak() {
        let modulus = URL_SAFE_NO_PAD.decode(ROCA_MODULUS).unwrap();
        let by_size = |modulus: &[u8]| (2_048..=8_192).contains(&(modulus.len() * 8));
        assert!(by_size(&modulus) && weakness(&modulus).is_some());
    }
}
