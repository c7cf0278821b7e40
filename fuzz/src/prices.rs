//! Prices: a file of one's own, and LiteLLM's catalogue.

use std::str::from_utf8;

use enclava_keys::Money;
use enclava_keys::wire::{ModelPrice, PriceBook, PriceError, ServiceTier, TokenUsage};

const TIERS: [ServiceTier; 6] = [
    ServiceTier::Standard,
    ServiceTier::Flex,
    ServiceTier::Priority,
    ServiceTier::Fast,
    ServiceTier::Batch,
    ServiceTier::Other,
];

/// Whatever a file of prices says, no call costs more than the worst case of its size.
pub fn price_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    for book in [PriceBook::from_toml(text), PriceBook::from_json(text)] {
        match book {
            Ok(book) => {
                assert!(book.get("").is_none());
                book.iter().for_each(|(_, price)| is_bounded(price));
            }
            Err(error) => is_told(&error),
        }
    }
}

/// Whatever a catalogue says, no call costs more than the worst case of its size, and every model is accounted for.
pub fn price_catalogue(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match PriceBook::from_litellm(text) {
        Ok((book, report)) => {
            assert_eq!(report.priced, book.len());
            assert!(report.faults.iter().all(|fault| !fault.to_string().is_empty()));
            book.iter().for_each(|(_, price)| is_bounded(price));
        }
        Err(error) => is_told(&error),
    }
}

fn is_told(error: &PriceError) {
    assert!(!error.to_string().is_empty());
}

fn is_bounded(price: &ModelPrice) {
    assert_eq!(price.cost(&TokenUsage::default()), Money::ZERO);
    for tier in TIERS {
        for size in [1, 100, 128_000, 128_001, 200_000, 272_001, 1 << 40] {
            for usage in shapes(size, tier) {
                let (input, output) = (usage.input(), usage.output);
                assert!(price.cost(&usage) <= price.worst_case(input, output), "{usage:?} of {price:?}");
            }
        }
    }
}

// Calls of one size, each made of one kind of token, and one of all kinds.
fn shapes(size: u64, tier: ServiceTier) -> [TokenUsage; 7] {
    let none = TokenUsage { tier, ..TokenUsage::default() };
    let fourth = size / 4;
    [
        TokenUsage { input_uncached: size, output: size, ..none },
        TokenUsage { cache_read: size, output: size, reasoning: size, ..none },
        TokenUsage { cache_write_5m: size, output: size, audio_out: size, ..none },
        TokenUsage { cache_write_1h: size, output: size, image_out: size, ..none },
        TokenUsage { input_uncached: size, audio_in: size, output: 1, ..none },
        TokenUsage { input_uncached: size, image_in: size, ..none },
        TokenUsage {
            input_uncached: size,
            audio_in: fourth,
            image_in: fourth,
            cache_read: fourth,
            cache_write_5m: fourth,
            cache_write_1h: fourth,
            output: size,
            reasoning: fourth,
            audio_out: fourth,
            image_out: fourth,
            tier,
        },
    ]
}
