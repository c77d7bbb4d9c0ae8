//! The topic exchange: keys are words between dots; in a pattern `*` stands for one word and `#` for any number of them.
//!
//! The patterns form a trie over words. A key is matched by walking all reachable nodes one word at a time, each node at
//! most once a word, so `#` in many places costs no more than the nodes there are: there is no backtracking. A key without
//! wildcards in its way costs one lookup a word however many bindings there are.
//!
//! As measured on RabbitMQ (amqp.md 5.10): the empty key has no words, so `""`, `#` and `#.#` match it; `a.` has two words,
//! of which the second is empty.

use crate::Map;
use crate::binding::Destination;
use crate::exchange::destinations::Destinations;

/// The patterns of an exchange.
pub struct Topic {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// The words of all patterns, so that an edge is eight bytes and a word is hashed once a match.
    words: Map<Box<[u8]>, Word>,
    free_words: Vec<u32>,
    word_count: u32,
    edges: Map<(u32, u32), u32>,
    walk: Walk,
}

#[derive(Default)]
struct Node {
    destinations: Destinations,
    /// Child by `*`, 0 when there is none; the root is nobody's child.
    star: u32,
    /// Child by `#`.
    hash: u32,
    /// Whether this is a child by `#`, and so reaches itself by any word.
    is_hash: bool,
    /// Children of all three kinds.
    children: u32,
    /// The step of the walk that visited it last.
    visited: u64,
}

struct Word {
    id: u32,
    edges: u32,
}

/// Scratch of a match, kept so that matching does not allocate.
#[derive(Default)]
struct Walk {
    now: Vec<u32>,
    then: Vec<u32>,
    /// Counts words of keys; never 0 in a walk.
    step: u64,
    /// Nodes visited by all matches so far: what a match costs.
    visits: u64,
}

const ROOT: u32 = 0;

impl Default for Topic {
    fn default() -> Topic {
        Topic {
            nodes: vec![Node::default()],
            free: Vec::new(),
            words: Map::default(),
            free_words: Vec::new(),
            word_count: 0,
            edges: Map::default(),
            walk: Walk::default(),
        }
    }
}

impl Topic {
    /// Counts a binding in.
    pub fn bind(&mut self, pattern: &[u8], destination: Destination) {
        let mut at = ROOT;
        for word in words(pattern) {
            at = match self.child(at, word) {
                Some(child) => child,
                None => self.add_child(at, word),
            };
        }
        self.nodes[at as usize].destinations.insert(destination);
    }

    /// Counts a binding out, and forgets the nodes that only it needed.
    pub fn unbind(&mut self, pattern: &[u8], destination: Destination) {
        let mut path = vec![ROOT];
        for word in words(pattern) {
            match self.child(path[path.len() - 1], word) {
                Some(child) => path.push(child),
                None => return,
            }
        }
        self.nodes[path[path.len() - 1] as usize].destinations.remove(destination);
        let patterns: Vec<&[u8]> = words(pattern).collect();
        for (depth, word) in patterns.into_iter().enumerate().rev() {
            let node = &self.nodes[path[depth + 1] as usize];
            if node.children > 0 || !node.destinations.is_empty() {
                break;
            }
            self.remove_child(path[depth], word, path[depth + 1]);
        }
    }

    /// Adds the destinations of all patterns that match; one that several patterns lead to is added several times.
    pub fn route(&mut self, key: &[u8], found: &mut Vec<Destination>) {
        let mut walk = std::mem::take(&mut self.walk);
        walk.now.clear();
        walk.step += 1;
        self.arrive(ROOT, walk.step, &mut walk.now);
        for word in words(key) {
            if walk.now.is_empty() {
                break;
            }
            let word = self.words.get(word).map(|word| word.id);
            walk.step += 1;
            walk.then.clear();
            for &at in &walk.now {
                let Node { star, is_hash, .. } = self.nodes[at as usize];
                if let Some(child) = word.and_then(|word| self.edges.get(&(at, word)).copied()) {
                    self.arrive(child, walk.step, &mut walk.then);
                }
                if star != 0 {
                    self.arrive(star, walk.step, &mut walk.then);
                }
                if is_hash {
                    self.arrive(at, walk.step, &mut walk.then);
                }
            }
            walk.visits += walk.now.len() as u64;
            std::mem::swap(&mut walk.now, &mut walk.then);
        }
        walk.visits += walk.now.len() as u64;
        for &at in &walk.now {
            self.nodes[at as usize].destinations.add_to(found);
        }
        self.walk = walk;
    }

    /// Nodes visited by all matches so far: the cost of matching, free of any clock.
    pub fn visits(&self) -> u64 {
        self.walk.visits
    }

    /// Nodes in use, the root included.
    pub fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Adds a node to those reached in this step, and what `#` reaches from there without a word.
    fn arrive(&mut self, node: u32, step: u64, reached: &mut Vec<u32>) {
        let mut at = node;
        loop {
            let node = &mut self.nodes[at as usize];
            if node.visited == step {
                return;
            }
            node.visited = step;
            reached.push(at);
            if node.hash == 0 {
                return;
            }
            at = node.hash;
        }
    }

    fn child(&self, at: u32, word: &[u8]) -> Option<u32> {
        let child = match word {
            b"*" => self.nodes[at as usize].star,
            b"#" => self.nodes[at as usize].hash,
            _ => {
                let word = self.words.get(word)?;
                return self.edges.get(&(at, word.id)).copied();
            }
        };
        (child != 0).then_some(child)
    }

    fn add_child(&mut self, at: u32, word: &[u8]) -> u32 {
        let node = Node { is_hash: word == b"#", ..Node::default() };
        let child = match self.free.pop() {
            Some(free) => {
                self.nodes[free as usize] = node;
                free
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.nodes[at as usize].children += 1;
        match word {
            b"*" => self.nodes[at as usize].star = child,
            b"#" => self.nodes[at as usize].hash = child,
            _ => {
                let word = self.intern(word);
                self.edges.insert((at, word), child);
            }
        }
        child
    }

    fn remove_child(&mut self, at: u32, word: &[u8], child: u32) {
        self.nodes[at as usize].children -= 1;
        match word {
            b"*" => self.nodes[at as usize].star = 0,
            b"#" => self.nodes[at as usize].hash = 0,
            _ => {
                if let Some(id) = self.release(word) {
                    self.edges.remove(&(at, id));
                }
            }
        }
        self.nodes[child as usize] = Node::default();
        self.free.push(child);
    }

    /// The id of a word that gets one more edge.
    fn intern(&mut self, text: &[u8]) -> u32 {
        if let Some(word) = self.words.get_mut(text) {
            word.edges += 1;
            return word.id;
        }
        let id = self.free_words.pop().unwrap_or_else(|| {
            self.word_count += 1;
            self.word_count
        });
        self.words.insert(text.into(), Word { id, edges: 1 });
        id
    }

    /// The id of a word that loses an edge.
    fn release(&mut self, text: &[u8]) -> Option<u32> {
        let word = self.words.get_mut(text)?;
        word.edges -= 1;
        let id = word.id;
        if word.edges == 0 {
            self.words.remove(text);
            self.free_words.push(id);
        }
        Some(id)
    }
}

/// The words of a key or a pattern: none for the empty one.
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == b'.').take(if key.is_empty() { 0 } else { usize::MAX })
}

#[cfg(test)]
mod tests;
