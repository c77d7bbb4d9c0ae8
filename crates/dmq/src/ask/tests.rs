//! Questions become the requests that the API takes.
