//! The table and what is installed are the same.

use std::collections::BTreeSet;

use super::{input, run};
use crate::api::body;
use crate::api::table::{Field, Function, Owner, Record, Type, api_table};

#[test]
fn every_function_has_a_body_and_is_installed() {
    let api = api_table();
    let methods = api.classes.iter().flat_map(|class| class.methods);
    for function in api.functions.iter().chain(methods) {
        assert!(body(function).is_some(), "{}", function.shown());
    }
    let mut lines = vec!["local state = bk.scratch(); bk.export(state); local known = {}".to_owned()];
    for function in api.functions {
        let path = function.shown();
        let path = path.trim_end_matches("()");
        lines.push(format!(
            "assert(type({path}) == 'function', '{path}'); known['{path}'] = true"
        ));
    }
    for constant in api.constants {
        lines.push(format!(
            "assert(bk.{0} ~= nil, '{0}'); known['bk.{0}'] = true",
            constant.name
        ));
    }
    for method in api.classes.iter().flat_map(|class| class.methods) {
        lines.push(format!("assert(type(state.{0}) == 'function', '{0}')", method.name));
    }
    lines.push(
        "for name, value in pairs(bk) do
            if type(value) == 'table' then
                for inner in pairs(value) do assert(known[`bk.{name}.{inner}`], inner) end
            else
                assert(known[`bk.{name}`], name)
            end
        end"
        .to_owned(),
    );
    run(input(&lines.join("\n")));
}

#[test]
fn names_are_unique_and_words_are_there() {
    let api = api_table();
    let mut seen = BTreeSet::new();
    let methods = api.classes.iter().flat_map(|class| class.methods);
    for function in api.functions.iter().chain(methods) {
        let owner = match function.owner {
            Owner::Bk => "bk",
            Owner::Sub(name) | Owner::Class(name) => name,
        };
        assert!(seen.insert((owner, function.name)), "{}", function.shown());
        check_words(function);
    }
}

fn check_words(function: &Function) {
    let shown = function.shown();
    assert!(function.doc.ends_with('.'), "{shown}: {}", function.doc);
    assert!(!function.example.is_empty(), "{shown} has no example");
    for param in function.params {
        assert!(param.doc.ends_with('.'), "{shown}: {}", param.doc);
    }
    // Optional parameters come last, and a variadic function has one.
    let optional: Vec<bool> = function.params.iter().map(|param| param.optional).collect();
    assert!(optional.is_sorted(), "{shown}");
    assert!(!function.variadic || function.params.len() == 1, "{shown}");
    if let Some(record) = function.options {
        check_record(record);
    }
}

fn check_record(record: &Record) {
    let mut names = BTreeSet::new();
    for field in record.fields {
        let Field {
            name,
            aliases,
            near,
            doc,
            ..
        } = field;
        assert!(doc.ends_with('.'), "{}.{name}: {doc}", record.name);
        for spelling in [name].into_iter().chain(*aliases) {
            assert!(names.insert(*spelling), "{}.{spelling} twice", record.name);
        }
        for spelling in *near {
            let real = record.fields.iter().any(|other| other.is_called(spelling.as_bytes()));
            assert!(!real, "{}.{spelling} is known, and no slip", record.name);
        }
        check_type(&field.ty);
    }
}

fn check_type(ty: &Type) {
    match ty {
        Type::Record(record) => check_record(record),
        Type::List(of) | Type::NonEmptyList(of) | Type::OneOrMore(of) | Type::Map(of) => check_type(of),
        Type::Either(types) => types.iter().for_each(check_type),
        Type::Enum(words) => assert!(!words.is_empty()),
        _ => {}
    }
}
