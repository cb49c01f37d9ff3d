//! Macros that define rejections as tables.

/// Defines constructors of [`Rejection`](super::rejection::Rejection): the [`Code`](super::code::Code), then rows of
/// `name(arguments) = "summary", "detail", format arguments`.
macro_rules! rejections {
    ($code:ident: $($name:ident($($argument:ident: $kind:ty),*) = $summary:literal, $detail:literal $(, $value:expr)*;)+) => {
        impl $crate::rejection::rejection::Rejection {
            $(pub(crate) fn $name($($argument: $kind),*) -> $crate::rejection::rejection::Rejection {
                let detail = format!($detail $(, $value)*);
                $crate::rejection::rejection::Rejection::new($crate::rejection::code::Code::$code, $summary, detail)
            })+
        }
    };
}

/// Defines constructors of [`Rejection`](super::rejection::Rejection) by a [`Limit`](super::limit::Limit): rows of
/// `name(arguments) @ Limit = "summary", "detail", format arguments`.
macro_rules! limits {
    ($($name:ident($($argument:ident: $kind:ty),*) @ $limit:ident = $summary:literal, $detail:literal $(, $value:expr)*;)+) => {
        impl $crate::rejection::rejection::Rejection {
            $(pub(crate) fn $name($($argument: $kind),*) -> $crate::rejection::rejection::Rejection {
                let limit = $crate::rejection::limit::Limit::$limit;
                let detail = format!($detail $(, $value)*);
                let detail = format!("{detail} The operator of the broker can change `{}`.", limit.option());
                $crate::rejection::rejection::Rejection::by_limit(limit, $summary, detail)
            })+
        }
    };
}

pub(crate) use {limits, rejections};
