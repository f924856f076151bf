//! Nodes of the manifest tree.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::repository_nodes);
