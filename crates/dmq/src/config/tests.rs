//! Settings of a node: what is read, refused, printed and warned of.
