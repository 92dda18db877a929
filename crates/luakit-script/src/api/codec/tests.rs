//! Each format on its own: text in, text out.

use super::{Format, JSON, Node, TOML, YAML};
use proptest::prelude::*;

/// What a text says, as JSON; or why it says nothing.
fn read(format: &Format, text: &str) -> String {
    match (format.decode)(text).and_then(|node| (JSON.encode)(&node)) {
        Ok(json) => json,
        Err(why) => format!("error: {why}"),
    }
}

fn write(format: &Format, json: &str) -> String {
    let node = (JSON.decode)(json).expect("JSON");
    match (format.encode)(&node) {
        Ok(text) => text,
        Err(why) => format!("error: {why}"),
    }
}

#[test]
fn json_is_canonical() {
    let check = |text, expect: &str| assert_eq!(read(&JSON, text), expect, "{text}");
    check(
        r#" { "b" : 1, "a": [ true, null, "x" ] } "#,
        r#"{"a":[true,null,"x"],"b":1}"#,
    );
    check(
        "[1.0, 1e3, 0.1, -0.0, 1e300, 9007199254740993]",
        "[1,1000,0.1,0,1e300,9007199254740992]",
    );
    check(r#""\u0001\u00e9\n\"\\\/""#, r#""\u0001é\n\"\\/""#);
    check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    check("[]", "[]");
    check("{}", "{}");
    check("[1,]", "error: trailing comma at line 1 column 4");
    check("", "error: EOF while parsing a value at line 1 column 0");
    check("1 2", "error: trailing characters at line 1 column 3");
    check("NaN", "error: expected value at line 1 column 1");
    let deep = "[".repeat(100_000);
    assert!(read(&JSON, &deep).starts_with("error: recursion limit exceeded"));
}

#[test]
fn yaml_reads_the_core_schema() {
    let check = |text, expect: &str| assert_eq!(read(&YAML, text), expect, "{text}");
    check("a: 1\nb: [x, 'y', \"z\\n\"]\n", r#"{"a":1,"b":["x","y","z\n"]}"#);
    check("no: no\nyes: true\nx: ~\n", r#"{"no":"no","x":null,"yes":true}"#);
    check(
        "[0x1F, 0o17, 010, 1.5, .5, 1., 1e3, -3, +4, 1_000]",
        r#"[31,15,10,1.5,0.5,1,1000,-3,4,"1_000"]"#,
    );
    check("80: web\n", r#"{"80":"web"}"#);
    check("t: |\n  a\n  b\n", r#"{"t":"a\nb\n"}"#);
    check("!!str 12", r#""12""#);
    check("", "null");
    check(
        "- &a {x: 1}\n- *a\n- <<: *a\n  y: 2\n",
        r#"[{"x":1},{"x":1},{"x":1,"y":2}]"#,
    );
    check("<<: [{a: 1, b: 1}, {b: 2, c: 2}]\na: 0\n", r#"{"a":0,"b":1,"c":2}"#);
}

#[test]
fn yaml_refuses() {
    let check = |text, expect: &str| assert_eq!(read(&YAML, text), format!("error: {expect}"), "{text}");
    check("a: 1\na: 2\n", "the key `a` is there twice at line 2 column 4");
    check("--- 1\n--- 2\n", "there is more than one document at line 2 column 1");
    check("? [a]\n: 1\n", "a key must be a scalar at line 1 column 3");
    check("!custom x", "unknown tag `!custom` at line 1 column 1");
    check("!!int x", "`x` is no `int` at line 1 column 1");
    check("<<: 1\n", "`<<` takes a map, or a list of maps at line 1 column 5");
    check(
        "&a [*a]",
        "an alias stands inside what it stands for at line 1 column 5",
    );
    assert!(read(&YAML, &"[".repeat(10_000)).contains("recursion limit"));
    let deep = format!("{}{}", "[".repeat(121), "]".repeat(121));
    assert!(
        read(&YAML, &deep).contains("nested more than 120 deep"),
        "{}",
        read(&YAML, &deep)
    );
    let aliases = (1..40).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, i| {
        let part = format!("*a{}", i - 1);
        format!("{text}a{i}: &a{i} [{}]\n", [part.as_str(); 9].join(","))
    });
    assert!(read(&YAML, &aliases).contains("stands for more than 1000000 values"));
    let nested = (1..40).fold("a0: &a0 [[[[[x]]]]]\n".to_owned(), |text, i| {
        format!("{text}a{i}: &a{i} [[[[[*a{}]]]]]\n", i - 1)
    });
    assert!(read(&YAML, &nested).contains("nested more than 120 deep"));
}

#[test]
fn yaml_is_canonical() {
    insta::assert_snapshot!(write(&YAML, r##"{"b": [1, [2, []], {"x": {}, "a": "no"}], "a": {"k": "v w", "#": "line\nline", "8": "8"}, "n": null}"##), @r##"
    a:
      "#": "line\nline"
      "8": "8"
      k: v w
    b:
      - 1
      - - 2
        - []
      - a: "no"
        x: {}
    "n": null
    "##);
    assert_eq!(write(&YAML, "[]"), "[]\n");
    assert_eq!(write(&YAML, r#""a: b""#), "\"a: b\"\n");
}

#[test]
fn toml_reads_and_writes() {
    let check = |text, expect: &str| assert_eq!(read(&TOML, text), expect, "{text}");
    check("b = 1\n[a]\nx = [1.5, 2]\n", r#"{"a":{"x":[1.5,2]},"b":1}"#);
    check("t = 2024-01-02T03:04:05Z", r#"{"t":"2024-01-02T03:04:05Z"}"#);
    check("[[p]]\nn = 'a'\n[[p]]\nn = 'b'\n", r#"{"p":[{"n":"a"},{"n":"b"}]}"#);
    assert!(read(&TOML, "a = ").starts_with("error: "));
    assert!(read(&TOML, &format!("a = {}", "[".repeat(100_000))).starts_with("error: "));
    insta::assert_snapshot!(write(&TOML, r#"{"b": 1, "a": {"x": [1.5, 2], "s": "q"}, "p": [{"n": "a"}, {"n": "b"}]}"#), @r#"
    b = 1

    [a]
    s = "q"
    x = [1.5, 2]

    [[p]]
    n = "a"

    [[p]]
    n = "b"
    "#);
    assert_eq!(write(&TOML, "[1]"), "error: a document is a table with names as keys");
    assert_eq!(
        write(&TOML, r#"{"a":[null]}"#),
        "error: value.a[1] is null, which TOML has not"
    );
}

/// Numbers that every format holds, texts of all kinds, a few levels.
fn nodes() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        any::<i32>().prop_map(|n| Node::Number(f64::from(n))),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(|n| Node::Number(n + 0.0)),
        "\\PC{0,8}|[\\x00-\\x1f ~:#'\"-]{0,4}|[0-9.eE_+-]{1,6}|yes|null|~|<<".prop_map(Node::Text),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Node::List),
            prop::collection::btree_map("[a-z<#0-9 :]{0,4}", inner, 0..5).prop_map(Node::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(node in nodes()) {
        for format in [&JSON, &YAML] {
            let text = (format.encode)(&node).expect("encodes");
            prop_assert_eq!((format.decode)(&text), Ok(node.clone()), "{}: {}", format.name, text);
        }
    }

    #[test]
    fn nothing_panics(text in "\\PC*|[\\[\\]{}:,&*!|>'\"%@`#?a0\\n -]{0,60}") {
        for format in [&JSON, &YAML, &TOML] {
            let _ = (format.decode)(&text);
        }
    }
}
