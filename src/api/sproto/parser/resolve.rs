//! From drafts with names to a schema with indices: sorts the types by name, as other programs
//! number them, and finds what each name means.

use std::collections::HashMap;

use super::super::schema::{Field, FieldKind, Layout, Protocol, Response, Schema, Type};
use super::{Bracket, DraftField, DraftProtocol, DraftType, NOTHING, ParseFault};

/// A fault and the line it is told for.
type Located<T> = Result<T, (u32, ParseFault)>;

struct Names<'a> {
    drafts: &'a [DraftType],
    indices: HashMap<&'a str, usize>,
}

pub(super) fn resolve(mut types: Vec<DraftType>, protocols: Vec<DraftProtocol>) -> Located<Schema> {
    types.sort_by(|left, right| left.name.cmp(&right.name));
    let mut indices = HashMap::new();
    for (index, draft) in types.iter().enumerate() {
        if indices.insert(draft.name.as_str(), index).is_some() {
            return Err((draft.line, ParseFault::Redefined(format!("type {}", draft.name))));
        }
    }
    let names = Names { drafts: &types, indices };
    let resolved = types.iter().map(|draft| names.resolve_type(draft)).collect::<Located<_>>()?;
    let last_line = protocols.iter().map(|protocol| protocol.line).max().unwrap_or(1);
    let protocols =
        protocols.into_iter().map(|draft| names.resolve_protocol(draft)).collect::<Located<_>>()?;
    Schema::new(resolved, protocols).map_err(|fault| (last_line, fault.into()))
}

impl Names<'_> {
    fn resolve_type(&self, draft: &DraftType) -> Located<Type> {
        let (mut tags, mut names) = (HashMap::new(), HashMap::new());
        for field in &draft.fields {
            let redefined = |what| {
                let owner = draft.name.clone();
                Err((field.line, ParseFault::RedefinedField { what, owner }))
            };
            if names.insert(&field.name, ()).is_some() {
                return redefined(field.name.clone());
            }
            if tags.insert(field.tag, ()).is_some() {
                return redefined(format!("tag {}", field.tag));
            }
        }
        let resolve = |field| self.resolve_field(&draft.name, field);
        let fields = draft.fields.iter().map(resolve).collect::<Located<_>>()?;
        Ok(Type::new(draft.name.clone(), fields))
    }

    fn resolve_field(&self, owner: &str, draft: &DraftField) -> Located<Field> {
        let kind = self.kind(owner, draft)?;
        let layout = self.layout(kind, draft)?;
        Ok(Field { name: draft.name.clone(), tag: draft.tag, kind, layout })
    }

    fn kind(&self, owner: &str, draft: &DraftField) -> Located<FieldKind> {
        let built_in = match (draft.type_name.as_str(), &draft.bracket) {
            ("integer", Some(Bracket::Digits(digits))) => FieldKind::Decimal(*digits),
            ("integer", _) => FieldKind::Integer,
            ("boolean", _) => FieldKind::Boolean,
            ("string", _) => FieldKind::String,
            ("binary", _) => FieldKind::Binary,
            ("double", _) => FieldKind::Double,
            (name, _) => {
                let index = self.find(owner, name).ok_or_else(|| {
                    let (name, place) = (name.to_owned(), format!("type {owner}"));
                    (draft.line, ParseFault::Undefined { name, place })
                })?;
                FieldKind::Struct(index)
            }
        };
        Ok(built_in)
    }

    /// The type that `name` means inside the type `owner`: the nearest one, looking outwards.
    fn find(&self, owner: &str, name: &str) -> Option<usize> {
        let mut scope = owner;
        loop {
            if let Some(&index) = self.indices.get(format!("{scope}.{name}").as_str()) {
                return Some(index);
            }
            match scope.rsplit_once('.') {
                Some((outer, _)) => scope = outer,
                None => return self.indices.get(name).copied(),
            }
        }
    }

    fn layout(&self, kind: FieldKind, draft: &DraftField) -> Located<Layout> {
        let fault = |fault: fn(String) -> ParseFault| (draft.line, fault(draft.name.clone()));
        let layout = match (&draft.bracket, kind) {
            (None, _) | (Some(Bracket::Digits(_)), FieldKind::Decimal(_)) => Layout::List,
            (Some(bracket), FieldKind::Struct(index)) => {
                let found = self.key(&self.drafts[index], bracket);
                found.ok_or_else(|| fault(ParseFault::UnknownKey))?
            }
            (Some(_), _) if draft.is_list => return Err(fault(ParseFault::UnknownKey)),
            (Some(_), _) => return Err(fault(ParseFault::KeyWithoutList)),
        };
        // A key of one struct finds nothing; schemas that have such keys mean nothing by them.
        Ok(if draft.is_list { layout } else { Layout::Single })
    }

    fn key(&self, item: &DraftType, bracket: &Bracket) -> Option<Layout> {
        match bracket {
            Bracket::Key(key) => {
                let field = item.fields.iter().find(|field| field.name == *key)?;
                Some(Layout::Keyed(field.tag))
            }
            Bracket::Empty => {
                let first = item.fields.iter().map(|field| field.tag).min()?;
                Some(Layout::Map(first))
            }
            Bracket::Digits(_) => None,
        }
    }

    fn resolve_protocol(&self, draft: DraftProtocol) -> Located<Protocol> {
        let find = |name: Option<&str>| match name {
            None | Some(NOTHING) => Ok(None),
            Some(name) => self.indices.get(name).copied().map(Some).ok_or_else(|| {
                let (name, place) = (name.to_owned(), format!("protocol {}", draft.name));
                (draft.line, ParseFault::Undefined { name, place })
            }),
        };
        let request = find(draft.request.as_deref())?;
        let response = match (find(draft.response.as_deref())?, &draft.response) {
            (Some(index), _) => Response::Struct(index),
            (None, Some(_)) => Response::Empty,
            (None, None) => Response::None,
        };
        Ok(Protocol { name: draft.name, tag: draft.tag, request, response })
    }
}
