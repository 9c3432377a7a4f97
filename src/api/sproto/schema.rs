//! A schema in memory: types with their fields, and protocols. It is immutable once made and may be
//! shared by any number of VMs.
//!
//! Invariants: fields of a type are in the order of their tags, protocols in that of theirs; every
//! index of a type leads somewhere; a keyed list or map holds structs that have the key.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::wire::SMALL_LIMIT;

/// Tags are below this, since the wire format counts them in small values.
pub(super) const TAG_LIMIT: u32 = SMALL_LIMIT as u32;

/// Digits behind the point that a fixed-point number may have.
pub(super) const DIGITS_LIMIT: u32 = 18;

/// Types and protocols.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Schema {
    pub(super) types: Vec<Type>,
    pub(super) protocols: Vec<Protocol>,
    type_names: HashMap<String, usize, RandomState>,
    protocol_names: HashMap<String, usize, RandomState>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// Most records that a struct of this type has.
    pub(super) records_max: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) tag: u32,
    pub(super) kind: FieldKind,
    pub(super) layout: Layout,
}

/// What one value of a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    Integer,
    /// A fixed-point number with so many digits behind the point.
    Decimal(u32),
    Boolean,
    String,
    Binary,
    Double,
    /// A struct, by the index of its type.
    Struct(usize),
}

/// How many values a field has, and what finds one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Single,
    List,
    /// Structs, found by the value of their field with this tag.
    Keyed(u32),
    /// Structs of two fields: the first, with this tag, is the key, the second the value.
    Map(u32),
}

#[derive(Debug, PartialEq)]
pub(super) struct Protocol {
    pub(super) name: String,
    pub(super) tag: u32,
    pub(super) request: Option<usize>,
    pub(super) response: Response,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    /// Nobody answers.
    None,
    /// An answer without content.
    Empty,
    /// A struct, by the index of its type.
    Struct(usize),
}

/// What is wrong with a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum SchemaFault {
    #[error("there are two {0}")]
    Twice(String),
    #[error("tag {0} is not below {TAG_LIMIT}")]
    Tag(u32),
    #[error("{0} types are more than a schema can number")]
    Types(usize),
    #[error("integer({0}) has more than {DIGITS_LIMIT} digits")]
    Digits(u32),
    #[error("{0} refers to a type that is not there")]
    UnknownType(String),
    #[error(
        "{0} cannot be found by that key: it needs a list of structs with such a field, a plain value"
    )]
    Key(String),
    #[error("{0} is no map: its type needs two fields, of which the first is a plain value")]
    Map(String),
}

/// What a name takes in a map, beside its letters.
const NAME_BYTES: usize = 48;

impl Schema {
    /// Memory that the schema takes.
    pub(super) fn held_bytes(&self) -> usize {
        // The names of types and protocols are in a map as well.
        let named = |name: &str| NAME_BYTES + 2 * name.len();
        let field = |field: &Field| size_of::<Field>() + field.name.len();
        let ty = |ty: &Type| {
            let fields: usize = ty.fields.iter().map(field).sum();
            size_of::<Type>() + named(&ty.name) + fields
        };
        let protocol = |protocol: &Protocol| size_of::<Protocol>() + named(&protocol.name);
        let types: usize = self.types.iter().map(ty).sum();
        types + self.protocols.iter().map(protocol).sum::<usize>()
    }

    /// Puts a schema together and checks what the invariants ask for.
    pub(super) fn new(
        mut types: Vec<Type>,
        mut protocols: Vec<Protocol>,
    ) -> Result<Schema, SchemaFault> {
        if types.len() >= TAG_LIMIT as usize {
            return Err(SchemaFault::Types(types.len()));
        }
        protocols.sort_by_key(|protocol| protocol.tag);
        for ty in &mut types {
            ty.arrange()?;
        }
        let schema = Schema {
            type_names: names(types.iter().map(|ty| &ty.name), "types")?,
            protocol_names: names(protocols.iter().map(|protocol| &protocol.name), "protocols")?,
            types,
            protocols,
        };
        schema.check()?;
        Ok(schema)
    }

    pub(super) fn type_index(&self, name: &str) -> Option<usize> {
        self.type_names.get(name).copied()
    }

    pub(super) fn protocol(&self, name: &str) -> Option<&Protocol> {
        self.protocol_names.get(name).map(|&index| &self.protocols[index])
    }

    pub(super) fn protocol_by_tag(&self, tag: u32) -> Option<&Protocol> {
        let place = self.protocols.binary_search_by_key(&tag, |protocol| protocol.tag).ok()?;
        Some(&self.protocols[place])
    }

    fn check(&self) -> Result<(), SchemaFault> {
        let exists = |index: usize| index < self.types.len();
        for protocol in &self.protocols {
            check_tag(protocol.tag)?;
            let response = match protocol.response {
                Response::Struct(index) => Some(index),
                _ => None,
            };
            if ![protocol.request, response].into_iter().flatten().all(exists) {
                return Err(SchemaFault::UnknownType(format!("protocol {}", protocol.name)));
            }
        }
        let twice = self.protocols.windows(2).find(|pair| pair[0].tag == pair[1].tag);
        if let Some(pair) = twice {
            return Err(SchemaFault::Twice(format!("protocols with tag {}", pair[0].tag)));
        }
        for ty in &self.types {
            for field in &ty.fields {
                self.check_field(field)
                    .map_err(|fault| fault(format!("{}.{}", ty.name, field.name)))?;
            }
        }
        Ok(())
    }

    fn check_field(&self, field: &Field) -> Result<(), fn(String) -> SchemaFault> {
        let item = match field.kind {
            FieldKind::Struct(index) => {
                Some(self.types.get(index).ok_or(SchemaFault::UnknownType as fn(_) -> _)?)
            }
            _ => None,
        };
        let is_key = |field: &Field| {
            field.layout == Layout::Single && !matches!(field.kind, FieldKind::Struct(_))
        };
        match field.layout {
            Layout::Single | Layout::List => Ok(()),
            Layout::Keyed(tag) => {
                let key = item.and_then(|item| item.field(tag));
                if key.is_some_and(is_key) { Ok(()) } else { Err(SchemaFault::Key) }
            }
            Layout::Map(tag) => {
                let pair = item.map(|item| item.fields.as_slice());
                let good = matches!(pair, Some([key, _]) if key.tag == tag && is_key(key));
                if good { Ok(()) } else { Err(SchemaFault::Map) }
            }
        }
    }
}

impl Type {
    pub(super) fn new(name: String, fields: Vec<Field>) -> Type {
        Type { name, fields, records_max: 0 }
    }

    /// Orders the fields and counts records.
    fn arrange(&mut self) -> Result<(), SchemaFault> {
        self.fields.sort_by_key(|field| field.tag);
        let mut names = Vec::with_capacity(self.fields.len());
        let (mut gaps, mut next_tag) = (0, 0);
        for field in &self.fields {
            check_tag(field.tag)?;
            if field.tag < next_tag {
                return Err(SchemaFault::Twice(format!(
                    "tags {} in type {}",
                    field.tag, self.name
                )));
            }
            gaps += usize::from(field.tag > next_tag);
            next_tag = field.tag + 1;
            names.push(&field.name);
            if let FieldKind::Decimal(digits) = field.kind
                && digits > DIGITS_LIMIT
            {
                return Err(SchemaFault::Digits(digits));
            }
        }
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SchemaFault::Twice(format!("fields {} in type {}", pair[0], self.name)));
        }
        self.records_max = self.fields.len() + gaps;
        Ok(())
    }

    /// The field with a tag. Most types number theirs from 0 without gaps.
    #[inline]
    pub(super) fn field(&self, tag: u32) -> Option<&Field> {
        match self.fields.get(tag as usize) {
            Some(field) if field.tag == tag => Some(field),
            _ => {
                let place = self.fields.binary_search_by_key(&tag, |field| field.tag).ok()?;
                Some(&self.fields[place])
            }
        }
    }
}

impl FieldKind {
    /// As the schema language calls it; the name of a struct's type is not known here.
    pub(super) fn name(self) -> &'static str {
        match self {
            FieldKind::Integer => "integer",
            FieldKind::Boolean => "boolean",
            FieldKind::String | FieldKind::Binary => "string",
            FieldKind::Decimal(_) | FieldKind::Double => "number",
            FieldKind::Struct(_) => "table",
        }
    }
}

/// What a fixed-point number is multiplied by.
pub(super) fn scale(digits: u32) -> f64 {
    10_f64.powi(digits.cast_signed())
}

fn check_tag(tag: u32) -> Result<(), SchemaFault> {
    if tag < TAG_LIMIT { Ok(()) } else { Err(SchemaFault::Tag(tag)) }
}

fn names<'a>(
    names: impl Iterator<Item = &'a String>,
    what: &str,
) -> Result<HashMap<String, usize, RandomState>, SchemaFault> {
    let mut map = HashMap::default();
    for (index, name) in names.enumerate() {
        if map.insert(name.clone(), index).is_some() {
            return Err(SchemaFault::Twice(format!("{what} {name}")));
        }
    }
    Ok(map)
}
