//! The documentation of a Lua module, read from its `---` comments (LuaCATS).
//!
//! It reads what the prelude uses, and refuses the rest: a comment that would be lost is an error.

use anyhow::{Context as _, bail, ensure};

/// A documented module.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Chapters, in the order of the text.
    pub(super) chapters: Vec<Chapter>,
}

/// What stands under a `-- # Heading`.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) title: String,
    pub(super) items: Vec<Item>,
}

/// What a comment documents.
#[derive(Debug)]
pub(super) enum Item {
    Class(Class),
    Function(Function),
}

/// `---@class`.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) parent: Option<String>,
    pub(super) fields: Vec<Slot>,
}

/// A function of the module.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) params: Vec<Slot>,
    pub(super) returns: Vec<Slot>,
    /// Paragraphs, as they stand, without the example.
    pub(super) doc: Vec<String>,
    pub(super) example: Vec<String>,
}

/// A parameter, a field or a result.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) optional: bool,
    pub(super) ty: String,
    pub(super) doc: String,
}

/// Reads a module's text.
pub(super) fn parse(text: &str) -> anyhow::Result<Module> {
    let mut module = Module::default();
    let mut block: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix("---") {
            block.push(comment);
            continue;
        }
        let place = || format!("line {}: {line}", index + 1);
        if let Some(title) = line.strip_prefix("-- # ") {
            ensure!(block.is_empty(), "a comment documents nothing, before {}", place());
            module.chapters.push(Chapter {
                title: title.to_owned(),
                items: Vec::new(),
            });
            continue;
        }
        let declared = line.strip_prefix("function prelude.");
        if block.is_empty() {
            ensure!(declared.is_none(), "no documentation, at {}", place());
            continue;
        }
        let item = item(&std::mem::take(&mut block), declared).with_context(place)?;
        let chapter = module
            .chapters
            .last_mut()
            .context("documentation before the first chapter")?;
        chapter.items.push(item);
    }
    Ok(module)
}

fn item(block: &[&str], declared: Option<&str>) -> anyhow::Result<Item> {
    let mut class = None;
    let (mut params, mut returns, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    let (mut doc, mut example) = (Vec::new(), Vec::new());
    let mut in_example = false;
    for line in block {
        if *line == "```lua" || *line == "```" {
            in_example = *line == "```lua";
        } else if in_example {
            example.push((*line).to_owned());
        } else if let Some(rest) = line.strip_prefix("@param ") {
            params.push(named(rest)?);
        } else if let Some(rest) = line.strip_prefix("@field ") {
            fields.push(named(rest)?);
        } else if let Some(rest) = line.strip_prefix("@return ") {
            let (ty, rest) = split_type(rest);
            let (name, text) = rest.split_once(' ').context("a result needs a name and words")?;
            returns.push(slot(name, ty, text));
        } else if let Some(rest) = line.strip_prefix("@class ") {
            class = Some(rest);
        } else if line.starts_with('@') {
            bail!("unknown tag: {line}");
        } else if params.is_empty() && returns.is_empty() {
            doc.push((*line).to_owned());
        } else {
            ensure!(line.is_empty(), "words after the tags: {line}");
        }
    }
    while doc.last().is_some_and(String::is_empty) {
        doc.pop();
    }
    match (class, declared) {
        (Some(head), None) => {
            let (name, parent) = match head.split_once(':') {
                Some((name, parent)) => (name, Some(parent.trim().to_owned())),
                None => (head, None),
            };
            Ok(Item::Class(Class {
                name: name.to_owned(),
                parent,
                fields,
            }))
        }
        (None, Some(head)) => {
            let (name, rest) = head.split_once('(').context("a function without parameters")?;
            let (list, _) = rest.split_once(')').context("parameters over several lines")?;
            let documented: Vec<&str> = params.iter().map(|slot| slot.name.as_str()).collect();
            ensure!(
                documented.join(", ") == list,
                "the parameters are ({list}), documented are {documented:?}"
            );
            ensure!(!returns.is_empty() && !doc.is_empty(), "no words or no result");
            Ok(Item::Function(Function {
                name: name.to_owned(),
                params,
                returns,
                doc,
                example,
            }))
        }
        _ => bail!("a comment documents neither a class nor a function of the module"),
    }
}

/// `NAME TYPE WORDS`, the name with `?` when it is optional.
fn named(text: &str) -> anyhow::Result<Slot> {
    let (name, rest) = text.split_once(' ').context("no type")?;
    let (ty, rest) = split_type(rest);
    Ok(slot(name, ty, rest))
}

fn slot(name: &str, ty: &str, doc: &str) -> Slot {
    Slot {
        name: name.trim_end_matches('?').to_owned(),
        optional: name.ends_with('?'),
        ty: ty.to_owned(),
        doc: doc.to_owned(),
    }
}

/// A type ends at the first space outside brackets that follows no `:` or `,`.
fn split_type(text: &str) -> (&str, &str) {
    let mut depth = 0_u32;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '(' | '<' | '{' => depth += 1,
            ')' | '>' | '}' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && !matches!(before, ':' | ',') => {
                let (ty, rest) = text.split_at(at);
                return (ty, rest.trim_start());
            }
            _ => {}
        }
        before = c;
    }
    (text, "")
}

impl Module {
    /// The class of that name.
    pub(super) fn class(&self, name: &str) -> Option<&Class> {
        self.chapters
            .iter()
            .flat_map(|chapter| &chapter.items)
            .find_map(|item| match item {
                Item::Class(class) if class.name == name => Some(class),
                _ => None,
            })
    }

    /// A class's fields, those of its parents last.
    pub(super) fn fields<'m>(&'m self, class: &'m Class) -> Vec<&'m Slot> {
        let mut fields: Vec<&Slot> = class.fields.iter().collect();
        if let Some(parent) = class.parent.as_deref().and_then(|name| self.class(name)) {
            fields.extend(self.fields(parent));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_types_from_words() {
        let check = |text, expect| assert_eq!(split_type(text), expect);
        check("string The tag.", ("string", "The tag."));
        check(
            "fun(state: State): State What to do.",
            ("fun(state: State): State", "What to do."),
        );
        check(
            "table<string|integer, State> States.",
            ("table<string|integer, State>", "States."),
        );
        check("prelude.Options", ("prelude.Options", ""));
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let check = |text: &str| parse(text).map(|_| ()).map_err(|error| format!("{error:#}"));
        let chapter = |text: &str| format!("-- # Chapter\n{text}");
        assert_eq!(
            check(&chapter("function prelude.f(a)\n")),
            Err("no documentation, at line 2: function prelude.f(a)".to_owned())
        );
        assert_eq!(
            check(&chapter(
                "---Words.\n---@param b string It.\n---@return State s It.\nfunction prelude.f(a)\n"
            )),
            Err("line 5: function prelude.f(a): the parameters are (a), documented are [\"b\"]".to_owned())
        );
        assert_eq!(
            check(&chapter("---@deprecated\nfunction prelude.f()\n")),
            Err("line 3: function prelude.f(): unknown tag: @deprecated".to_owned())
        );
    }
}
