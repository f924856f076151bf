//! The rules one by one, on captures of a few records.

mod build;
mod garbage;
mod levels;
mod older;
mod rules;
mod scale;
