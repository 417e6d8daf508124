use serde::{Deserialize, Serialize};

use crate::value::{ColumnType, fits_decimal};

/// What has been seen in a column so far: the kinds of value, and how far its numbers reach.
///
/// Types cannot be joined lawfully by the supertype table alone (whether a long fits a double depends
/// on its value, Dec-57). Shapes can: a join is a union of features and a maximum of digits, so it is
/// commutative, associative and idempotent, and the type is a function of the joined shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    #[serde(rename = "seen")]
    pub features: Features,
    /// The most digits before the decimal point, after leading zeros are dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub integer_digits: u16,
    /// The most digits after the decimal point, after trailing zeros are dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scale: u16,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(digits: &u16) -> bool {
    *digits == 0
}

/// A set of things that values can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features(u16);

/// One thing that a value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Feature {
    Boolean = 1,
    /// A number without point or exponent that fits 64 bits.
    Integer = 1 << 1,
    /// A number without point or exponent that does not fit 64 bits.
    BigInteger = 1 << 2,
    /// A number with a point or an exponent.
    Fraction = 1 << 3,
    /// A number that a 64-bit float would round.
    Inexact = 1 << 4,
    Date = 1 << 5,
    DateTime = 1 << 6,
    Instant = 1 << 7,
    Text = 1 << 8,
    /// An object or an array.
    Nested = 1 << 9,
}

impl Feature {
    pub const ALL: [Feature; 10] = [
        Feature::Boolean,
        Feature::Integer,
        Feature::BigInteger,
        Feature::Fraction,
        Feature::Inexact,
        Feature::Date,
        Feature::DateTime,
        Feature::Instant,
        Feature::Text,
        Feature::Nested,
    ];

    /// In words, for `hasmore tables`.
    pub fn describe(self) -> &'static str {
        match self {
            Feature::Boolean => "a boolean",
            Feature::Integer => "an integer",
            Feature::BigInteger => "an integer beyond 64 bits",
            Feature::Fraction => "a number with a point or exponent",
            Feature::Inexact => "a number that a double would round",
            Feature::Date => "a date",
            Feature::DateTime => "a date-time without zone",
            Feature::Instant => "a date-time with zone",
            Feature::Text => "a text",
            Feature::Nested => "an object or array",
        }
    }
}

impl Features {
    #[must_use]
    pub const fn of(feature: Feature) -> Features {
        Features(feature as u16)
    }

    #[must_use]
    pub const fn union(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn minus(self, other: Features) -> Features {
        Features(self.0 & !other.0)
    }

    pub const fn has(self, feature: Feature) -> bool {
        self.0 & feature as u16 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.has(*feature))
    }

    /// How many of the families that do not mix are here: booleans, numbers, temporals, texts.
    const fn families(self) -> u32 {
        const NUMBERS: u16 = Feature::Integer as u16
            | Feature::BigInteger as u16
            | Feature::Fraction as u16
            | Feature::Inexact as u16;
        const LOCAL: u16 = Feature::Date as u16 | Feature::DateTime as u16;
        (self.0 & Feature::Boolean as u16 != 0) as u32
            + (self.0 & NUMBERS != 0) as u32
            + (self.0 & LOCAL != 0) as u32
            + (self.0 & Feature::Instant as u16 != 0) as u32
            + (self.0 & Feature::Text as u16 != 0) as u32
    }
}

impl Shape {
    /// The shape of a value that is no number.
    #[must_use]
    pub const fn of(feature: Feature) -> Shape {
        Shape { features: Features::of(feature), integer_digits: 0, scale: 0 }
    }

    /// The least shape that covers both.
    #[must_use]
    pub fn join(self, other: Shape) -> Shape {
        Shape {
            features: self.features.union(other.features),
            integer_digits: self.integer_digits.max(other.integer_digits),
            scale: self.scale.max(other.scale),
        }
    }

    /// Whether values can have it, one or several: something was seen, nothing that is not known, and
    /// no integer beyond 64 bits that a double would hold (Dec-57).
    pub(crate) fn is_of_values(self) -> bool {
        let seen = self.features;
        let known = Feature::ALL.into_iter().map(Features::of).fold(Features(0), Features::union);
        !seen.is_empty()
            && seen.minus(known).is_empty()
            && (!seen.has(Feature::BigInteger) || seen.has(Feature::Inexact))
    }

    /// The narrowest type that holds every value of this shape to the last digit; `None` where only
    /// nulls were seen (F-160).
    pub fn column_type(self) -> Option<ColumnType> {
        let seen = self.features;
        if seen.is_empty() {
            return None;
        }
        Some(if seen.has(Feature::Nested) {
            ColumnType::Json
        } else if seen.has(Feature::Text) || seen.families() > 1 {
            ColumnType::String
        } else if seen.has(Feature::Boolean) {
            ColumnType::Boolean
        } else if seen.has(Feature::Instant) {
            ColumnType::Instant
        } else if seen.has(Feature::DateTime) {
            ColumnType::LocalDateTime
        } else if seen.has(Feature::Date) {
            ColumnType::LocalDate
        } else {
            self.number_type()
        })
    }

    fn number_type(self) -> ColumnType {
        let seen = self.features;
        let fraction = seen.has(Feature::Fraction);
        if !fraction && !seen.has(Feature::BigInteger) {
            return ColumnType::Long;
        }
        if fraction && !seen.has(Feature::Inexact) {
            return ColumnType::Double;
        }
        match u8::try_from(self.scale) {
            Ok(scale) if fits_decimal(self.integer_digits, self.scale) => {
                ColumnType::Decimal { scale }
            }
            _ => ColumnType::String,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number;

    /// Every shape that one value can have, as far as types can tell them apart.
    fn shapes() -> Vec<Shape> {
        let mut shapes: Vec<Shape> = [
            "1",
            "9007199254740993",
            "9223372036854775808",
            "0.5",
            "9007199254740993.0",
            "0.1234567890123456789",
            "1e300",
            "1e400",
            "100000000000000000000",
            "10000000000000000000000000000000000000000",
        ]
        .map(|literal| number::read(literal).0)
        .into();
        shapes.extend(
            [
                Feature::Boolean,
                Feature::Date,
                Feature::DateTime,
                Feature::Instant,
                Feature::Text,
                Feature::Nested,
            ]
            .map(Shape::of),
        );
        shapes.push(Shape::default());
        shapes
    }

    #[test]
    fn a_join_is_commutative_associative_and_idempotent() {
        for a in shapes() {
            assert_eq!(a.join(a), a);
            for b in shapes() {
                assert_eq!(a.join(b), b.join(a));
                for c in shapes() {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }

    /// Narrow to wide. A decimal never becomes a double: its digits would be rounded.
    fn rank(column_type: ColumnType) -> u8 {
        match column_type {
            ColumnType::Json => 4,
            ColumnType::String => 3,
            ColumnType::Decimal { .. } => 2,
            ColumnType::LocalDateTime | ColumnType::Double => 1,
            _ => 0,
        }
    }

    #[test]
    fn every_shape_that_values_have_is_one_of_values() {
        for a in shapes() {
            for b in shapes() {
                let joined = a.join(b);
                assert_eq!(joined.is_of_values(), joined.column_type().is_some(), "{joined:?}");
            }
        }
    }

    #[test]
    fn a_join_never_narrows() {
        for a in shapes() {
            for b in shapes() {
                for c in shapes() {
                    let (before, after) =
                        (a.join(b).column_type(), a.join(b).join(c).column_type());
                    let Some(before) = before else { continue };
                    let after = after.expect("a join has a type");
                    assert!(rank(before) <= rank(after), "{a:?} {b:?} {c:?}: {before} {after}");
                }
            }
        }
    }

    #[test]
    fn dec_57_the_supertype_table() {
        let shape = |name: &str| match name {
            "boolean" => Shape::of(Feature::Boolean),
            "long" => number::read("1").0,
            "longBeyond2^53" => number::read("9007199254740993").0,
            "bigDecimal" => number::read("9223372036854775808").0,
            "double" => number::read("0.5").0,
            "localDate" => Shape::of(Feature::Date),
            "localDateTime" => Shape::of(Feature::DateTime),
            "instant" => Shape::of(Feature::Instant),
            "string" => Shape::of(Feature::Text),
            _ => Shape::of(Feature::Nested),
        };
        for (a, b, expected) in [
            ("boolean", "boolean", "boolean"),
            ("boolean", "long", "string"),
            ("boolean", "double", "string"),
            ("boolean", "localDate", "string"),
            ("boolean", "json", "json"),
            ("long", "long", "long"),
            ("long", "bigDecimal", "bigDecimal(38,0)"),
            ("long", "double", "double"),
            ("longBeyond2^53", "double", "bigDecimal(38,1)"),
            ("long", "localDate", "string"),
            ("bigDecimal", "double", "bigDecimal(38,1)"),
            ("double", "string", "string"),
            ("localDate", "localDate", "localDate"),
            ("localDate", "localDateTime", "localDateTime"),
            ("localDate", "instant", "string"),
            ("localDateTime", "instant", "string"),
            ("instant", "instant", "instant"),
            ("instant", "string", "string"),
            ("string", "json", "json"),
        ] {
            let joined = shape(a).join(shape(b)).column_type().expect("a type");
            assert_eq!(joined.to_string(), expected, "{a} with {b}");
        }
    }
}
