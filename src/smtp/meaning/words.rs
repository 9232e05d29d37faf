//! The words of a reply: what the rules' phrases are compared with.
//!
//! Case, accents and punctuation are dropped, so that "User-Unknown!" and "user unknown" are the
//! same words. Names become placeholders: `<addr>`, `<ip>`, `<host>`, `<url>`; beside one of ours
//! stands `<us>`, beside our sender's address `<sender>`. The labels of a host stand beside its
//! placeholder with a dot in front (`.spamhaus`), the words of a URL's path with a
//! slash (`/nosuchuser`). Codes and statuses stand beside the word before them, so that they do not
//! tear phrases apart. In scripts that write no spaces each character is a word.

use foldhash::HashMap;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::bits::Bits;
use super::ourselves::{Ourselves, ip_address};
use super::{limits, view};

/// The most words of one host name or URL that are kept.
const MAX_PARTS: usize = 16;

/// First word, then the second words that merge with it.
pub(super) type Compounds = HashMap<String, Vec<String>>;

/// The words of one text.
#[derive(Debug)]
pub(super) struct ReplyWords<'a> {
    compounds: &'a Compounds,
    us: Ourselves<'a>,
    /// All words, a space before, between and after them.
    pub(super) joined: String,
    /// The position of each byte of `joined`.
    pub(super) position: Vec<u8>,
    /// Positions whose word begins a new sentence.
    pub(super) breaks: Bits,
    /// The number of positions, at most 255.
    pub(super) count: usize,
    /// The offset of the last plain word in `joined`, if the next may merge with it.
    last: Option<usize>,
    /// The next position begins a new sentence.
    pending_break: bool,
    /// The chunk before ended in a full stop: a new sentence, or an abbreviation.
    full_stop: bool,
    /// The word being read; empty between two of them.
    word: String,
}

impl<'a> ReplyWords<'a> {
    /// Reads the words of `text`, merging those that `compounds` names.
    pub(super) fn from_text(text: &str, compounds: &'a Compounds, us: Ourselves<'a>) -> Self {
        let text = limits::examined(text);
        let mut words = Self {
            compounds,
            us,
            joined: String::with_capacity(text.len() + 16),
            position: Vec::with_capacity(text.len() + 16),
            breaks: Bits::NONE,
            count: 0,
            last: None,
            pending_break: false,
            full_stop: false,
            word: String::new(),
        };
        words.append(" ", 0);
        let mut chunks = text.split_whitespace();
        while let Some(chunk) = chunks.next() {
            match server_name(chunk).filter(|_| chunks.clone().next() == Some("said:")) {
                Some(name) => words.quoted_server(name),
                None => words.chunk(chunk),
            }
        }
        words
    }

    /// The server whose words are handed on. Its address is left out: to the rules an address is
    /// the one that a reply finds fault with, ours as a rule.
    fn quoted_server(&mut self, name: &str) {
        if ip_address(name).is_some() {
            self.push("<host>", false);
        } else {
            self.chunk(name);
        }
    }

    /// Reads a text between two blanks.
    fn chunk(&mut self, chunk: &str) {
        let chunk = view::strip_continuation(chunk);
        if self.full_stop && !chunk.starts_with(char::is_lowercase) {
            self.pending_break = true;
        }
        self.full_stop = chunk.trim_end_matches([')', '"', '\'']).ends_with('.');
        let inner = chunk.trim_start_matches(is_bracket);
        if is_url(inner) {
            let end = inner.find(['<', '>', '"', ')', ']']).unwrap_or(inner.len());
            self.url(&inner[..end]);
            return;
        }
        for piece in chunk.split_inclusive(is_bracket) {
            let ends = piece.ends_with([';', '!', '?', '。', '!', ';']);
            let piece = piece.trim_end_matches(is_bracket);
            let bare = piece.trim_matches(|c: char| !c.is_alphanumeric());
            if !bare.is_empty() {
                self.piece(bare);
            }
            if ends {
                self.pending_break = true;
            }
        }
    }

    /// A piece without brackets, beginning and ending in a letter or digit.
    fn piece(&mut self, piece: &str) {
        // Most are, and nothing below is made of letters alone.
        if piece.bytes().all(|octet| octet.is_ascii_alphabetic()) {
            self.word.push_str(piece);
            self.word.make_ascii_lowercase();
            self.end_word();
        } else if piece.contains('@') {
            self.push("<addr>", false);
            if self.us.has_sender(piece) {
                self.beside("<sender>");
            }
        } else if ip_address(piece).is_some() {
            self.push("<ip>", false);
            if self.us.has_address(piece) {
                self.beside("<us>");
            }
        } else if view::is_code(piece) || view::parse_enhanced(piece).is_some() {
            self.beside(piece);
        } else if is_host(piece) {
            self.push("<host>", false);
            if self.us.has_name(piece) {
                self.beside("<us>");
            }
            for label in piece.split('.').take(MAX_PARTS) {
                self.part_beside('.', label);
            }
        } else if let Some((first, second)) = sentence_end(piece) {
            self.piece(first);
            self.pending_break = true;
            self.piece(second);
        } else {
            self.plain(piece);
        }
    }

    /// Words, and punctuation that only separates them.
    fn plain(&mut self, piece: &str) {
        for c in piece.chars() {
            if writes_no_spaces(c) {
                if is_combining_mark(c) {
                    continue;
                }
                self.end_word();
                self.word.push(c);
                self.end_word();
            } else if c.is_alphanumeric() {
                fold(c, &mut self.word);
            } else if !is_apostrophe(c) || is_elided(&self.word) {
                self.end_word();
            }
        }
        self.end_word();
    }

    /// Takes what was read as the next word, or as the second half of the one before it.
    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let mut word = std::mem::take(&mut self.word);
        let merges = self.last.filter(|_| !self.pending_break).is_some_and(|start| {
            let first = self.joined[start..].trim_end();
            self.compounds.get(first).is_some_and(|seconds| seconds.contains(&word))
        });
        if merges {
            self.joined.pop();
            self.position.pop();
            self.append(&word, self.count - 1);
            self.append(" ", self.count - 1);
        } else {
            self.push(&word, true);
        }
        word.clear();
        self.word = word;
    }

    fn url(&mut self, url: &str) {
        self.push("<url>", false);
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        for label in host.split(['.', ':']).filter(|l| !l.is_empty()).take(MAX_PARTS) {
            self.part_beside('.', label);
        }
        let path = path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in path.take(MAX_PARTS) {
            self.part_beside('/', word);
        }
    }

    /// A word at a position of its own.
    fn push(&mut self, word: &str, may_merge: bool) {
        if self.count + 1 >= Bits::LEN {
            return;
        }
        let position = self.count;
        if self.pending_break && position > 0 {
            self.breaks.insert(position);
        }
        self.pending_break = false;
        self.last = may_merge.then_some(self.joined.len());
        self.count += 1;
        self.append(word, position);
        self.append(" ", position);
    }

    /// A word at the position of the one before it. Nothing, if there is none.
    fn beside(&mut self, word: &str) {
        if self.count > 0 {
            self.append(word, self.count - 1);
            self.append(" ", self.count - 1);
            self.last = None;
        }
    }

    /// A part of a host name or URL, behind its mark and in lower case, at the position of the word
    /// before it.
    fn part_beside(&mut self, mark: char, part: &str) {
        let mut word = std::mem::take(&mut self.word);
        word.push(mark);
        if part.is_ascii() {
            word.push_str(part);
            word.make_ascii_lowercase();
        } else {
            word.push_str(&part.to_lowercase());
        }
        self.beside(&word);
        word.clear();
        self.word = word;
    }

    fn append(&mut self, text: &str, position: usize) {
        self.joined.push_str(text);
        let position = u8::try_from(position).unwrap_or(u8::MAX);
        self.position.resize(self.joined.len(), position);
    }
}

/// The name in `mx.example.org[192.0.2.9]`, the form in which Postfix names a server.
fn server_name(chunk: &str) -> Option<&str> {
    let (name, address) = chunk.strip_suffix(']')?.split_once('[')?;
    ip_address(address).map(|_| name)
}

/// Adds `c` in lower case and without its accents.
pub(super) fn fold(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
    } else if let Some(plain) = without_stroke(c) {
        out.push_str(plain);
    } else {
        let plain = c.nfkd().filter(|c| !is_combining_mark(*c));
        out.extend(plain.flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()));
    }
}

/// The plain letters for a letter whose mark is no accent that Unicode takes apart.
fn without_stroke(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'ł' | 'Ł' => "l",
        'ø' | 'Ø' => "o",
        'ı' => "i",
        'ς' => "σ",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'þ' | 'Þ' => "th",
        // Persian and Arabic write the same letters with different characters.
        'ی' | 'ى' => "ي",
        'ک' => "ك",
        _ => return None,
    })
}

/// Han, kana, Hangul, Thai: scripts in which a blank does not part words, or not those we need.
pub(super) fn writes_no_spaces(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0e7f}' | '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// A mark that is written inside a word.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '`' | '´')
}

/// `true` for a word that stands before an apostrophe by itself: `l'adresse`, `dell'utente`.
fn is_elided(word: &str) -> bool {
    matches!(word, "l" | "d" | "n" | "s" | "c" | "qu" | "un" | "dell" | "nell" | "all" | "dall")
}

fn is_bracket(c: char) -> bool {
    matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | '|' | ',' | ';')
        || matches!(c, '=' | '*' | '!' | '?' | '~')
        || matches!(
            c,
            '“' | '”' | '«' | '»' | '。' | '，' | '、' | '：' | '！' | '；' | '（' | '）' | '…'
        )
}

/// `true` for a text that is read as a URL.
pub(super) fn is_url(chunk: &str) -> bool {
    ["http://", "https://", "www."].iter().any(|beginning| {
        let head = chunk.as_bytes().get(..beginning.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()))
    })
}

/// A dotted name whose last label is letters, and which is not two sentences without a blank.
fn is_host(piece: &str) -> bool {
    let Some((rest, last)) = piece.rsplit_once('.') else {
        return false;
    };
    let letters = last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic());
    let label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    letters && rest.bytes().all(label) && !piece.contains("..") && sentence_end(piece).is_none()
}

/// "found.Please": a full stop between a small and a capital letter ends a sentence.
fn sentence_end(piece: &str) -> Option<(&str, &str)> {
    let at = piece
        .as_bytes()
        .windows(3)
        .position(|w| w[0].is_ascii_lowercase() && w[1] == b'.' && w[2].is_ascii_uppercase())?;
    Some((&piece[..=at], &piece[at + 2..]))
}
