use proptest::prelude::*;

use super::super::request::Exposure;
use super::*;

const TOML: &str = r#"
    [models."gpt-4"]
    input = "0.03"
    output = 0.06
    per = "1k"
    cache_read = "0.015"
    max_input = 8_192
    max_output = 4096
    aliases = ["gpt-4-0613", "azure/gpt-4"]

    [models.embed]
    input = 2e-8
    output = 0
    max_output = 0
"#;

const JSON: &str = r#"{"models": {
    "gpt-4": {"input": 0.03, "output": "0.06", "per": "1k", "cache_read": 0.015, "max_input": 8192,
              "max_output": 4096, "aliases": ["gpt-4-0613", "azure/gpt-4"]},
    "embed": {"input": 2e-8, "output": 0, "max_output": 0}}}"#;

fn faults(error: &PriceError) -> Vec<String> {
    error.faults().iter().map(|fault| fault.path.clone()).collect()
}

#[test]
fn both_forms_say_the_same() {
    for book in [PriceBook::from_toml(TOML).unwrap(), PriceBook::from_json(JSON).unwrap()] {
        let price = book.get("azure/gpt-4").unwrap();
        assert_eq!(price.worst_case(1_000, 1_000), "0.09".parse().unwrap());
        assert_eq!((price.max_input(), price.max_output()), (Some(8_192), Some(4_096)));
        let embed = book.get("embed").unwrap();
        assert_eq!(embed.input_rate(1, Exposure::default()).as_picos(), 20_000);
        assert_eq!((embed.max_output(), book.len()), (Some(0), 4));
    }
}

#[test]
fn no_number_goes_through_a_float() {
    let book =
        PriceBook::from_toml("[models.m]\ninput = 0.1000000000000000055511151231257827\noutput = 0").unwrap();
    assert_eq!(book.get("m").unwrap().worst_case(1, 0).as_picos(), 100_000_000_001);
    let book = PriceBook::from_json(r#"{"models":{"m":{"input":0.0000001,"output":0,"per":"1m"}}}"#).unwrap();
    assert_eq!(book.get("m").unwrap().worst_case(1, 0), Money::PICO, "rounded up, never to nothing");
}

#[test]
fn every_fault_is_told_with_its_place() {
    let error = PriceBook::from_toml(
        r#"
        prices = 1
        [models.a]
        inptu = "1"
        output = "-1"
        per = "1g"
        max_input = -5
        aliases = "b"
        [models.b]
        input = true
        output = nan
        max_output = "8"
        aliases = ["b", 7]
        "#,
    )
    .unwrap_err();
    let mut places = faults(&error);
    places.sort();
    assert_eq!(
        places,
        [
            "models.a.aliases",
            "models.a.inptu",
            "models.a.input",
            "models.a.max_input",
            "models.a.output",
            "models.a.per",
            "models.b.aliases",
            "models.b.input",
            "models.b.max_output",
            "models.b.output",
            "prices"
        ]
    );
    assert!(error.to_string().contains("`models.a.inptu`: unknown field; did you mean `input`?"), "{error}");
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let error = PriceBook::from_toml("[models.a]\ninput = 1\noutput = 0,03\n").unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
}

#[test]
fn a_name_that_is_near_nothing_is_told_all_of_them() {
    let error = PriceBook::from_toml("[models.a]\ninput = 1\noutput = 1\nfoo = 1").unwrap_err();
    assert!(error.to_string().contains("unknown field; the fields are input, output"), "{error}");
}

#[test]
fn a_model_with_a_price_for_thoughts_may_have_some() {
    let may_reason = |more: &str| {
        let text = format!("[models.a]\ninput = 1\noutput = 1\n{more}");
        PriceBook::from_toml(&text).unwrap().get("a").unwrap().may_reason()
    };
    assert!(may_reason("reasoning = 1") && may_reason("reasoning = 0") && !may_reason(""));
}

#[test]
fn a_name_with_two_prices_has_none() {
    for text in [
        r#"{"models":{"a":{"input":1,"output":1},"a":{"input":2,"output":2}}}"#,
        r#"{"models":{"a":{"input":1,"output":1,"aliases":["b"]},"b":{"input":2,"output":2}}}"#,
        r#"{"models":{"a":{"input":1,"output":1,"aliases":["a"]}}}"#,
        r#"{"models":{"a":{"input":1,"input":2,"output":1}}}"#,
        r#"{"models":{},"models":{}}"#,
        r#"{"models":{"":{"input":1,"output":1}}}"#,
    ] {
        assert_eq!(PriceBook::from_json(text).unwrap_err().faults().len(), 1, "{text}");
    }
    for text in ["", "[]", "{}", r#"{"models":[]}"#, r#"{"models":{"a":1}}"#] {
        assert!(PriceBook::from_json(text).is_err(), "{text}");
    }
    for text in ["", "x", "models = 1", "[models]\na = 1", "[models.a]\ninput = 0x10\noutput = 1"] {
        assert!(PriceBook::from_toml(text).is_err(), "{text}");
    }
    assert!(PriceBook::from_toml("[models]").unwrap().is_empty());
}

proptest! {
    #[test]
    fn any_text_is_a_book_or_an_error(text: String) {
        let _ = PriceBook::from_toml(&text);
        let _ = PriceBook::from_json(&text);
        let _ = PriceBook::from_json(&format!("{{\"models\":{{\"a\":{text}}}}}"));
    }
}
