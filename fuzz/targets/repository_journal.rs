//! Entries of the journal.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::repository_journal);
