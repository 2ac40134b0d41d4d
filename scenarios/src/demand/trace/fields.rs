//! The fields of a line that one character separates. A field may stand in quotes, but not go on in the next
//! line.

use std::borrow::Cow;

/// Splits lines, keeping its memory.
#[derive(Debug)]
pub(super) struct Fields {
    delimiter: u8,
    bounds: Vec<(usize, usize)>,
}

impl Fields {
    /// Splits at this character.
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, bounds: Vec::new() }
    }

    /// Splits a line; says whether all quotes are closed.
    pub(super) fn split(&mut self, line: &[u8]) -> bool {
        self.bounds.clear();
        let mut start = 0;
        loop {
            if line.get(start) == Some(&b'"') {
                let Some(end) = closing_quote(line, start + 1) else {
                    return false;
                };
                self.bounds.push((start + 1, end));
                match line.get(end + 1) {
                    None => return true,
                    Some(byte) if *byte == self.delimiter => start = end + 2,
                    Some(_) => return false,
                }
                continue;
            }
            match line[start..].iter().position(|byte| *byte == self.delimiter) {
                Some(length) => {
                    self.bounds.push((start, start + length));
                    start += length + 1;
                }
                None => {
                    self.bounds.push((start, line.len()));
                    return true;
                }
            }
        }
    }

    /// How many fields the last line had.
    pub(super) fn count(&self) -> usize {
        self.bounds.len()
    }

    /// A field of the last line, which must be given again. A doubled quote within it stays doubled.
    pub(super) fn get<'l>(&self, line: &'l [u8], index: usize) -> Option<&'l [u8]> {
        let (start, end) = *self.bounds.get(index)?;
        line.get(start..end).map(<[u8]>::trim_ascii)
    }

    /// The same, as what it means: a doubled quote within quotes is one.
    pub(super) fn meaning<'l>(&self, line: &'l [u8], index: usize) -> Option<Cow<'l, [u8]>> {
        let field = self.get(line, index)?;
        let is_quoted = self.bounds[index].0.checked_sub(1).is_some_and(|before| line[before] == b'"');
        if !is_quoted || !field.contains(&b'"') {
            return Some(Cow::Borrowed(field));
        }
        // Within quotes every quote is one of a pair, of which the first is left out.
        let mut second = true;
        let kept = field.iter().copied().filter(|byte| {
            second = *byte != b'"' || !second;
            second
        });
        Some(Cow::Owned(kept.collect()))
    }
}

fn closing_quote(line: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + line.get(from..)?.iter().position(|byte| *byte == b'"')?;
        if line.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        split_at(b',', line)
    }

    fn split_at(delimiter: u8, line: &str) -> Option<Vec<String>> {
        let mut fields = Fields::new(delimiter);
        let closed = fields.split(line.as_bytes());
        let get = |index| {
            fields.meaning(line.as_bytes(), index).map(|field| String::from_utf8_lossy(&field).into_owned())
        };
        closed.then(|| (0..fields.count()).filter_map(get).collect())
    }

    #[test]
    fn commas_within_quotes_do_not_split() {
        let owned =
            |fields: &[&str]| Some(fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
        assert_eq!(split("a, b ,,c"), owned(&["a", "b", "", "c"]));
        assert_eq!(split("\"a,b\",c"), owned(&["a,b", "c"]));
        assert_eq!(split("\"a \"\"b\"\"\",\"\""), owned(&["a \"b\"", ""]));
        assert_eq!(split("\"\"\"\"\"\",a\"\"b,\"c\"\"\""), owned(&["\"\"", "a\"\"b", "c\""]));
        assert_eq!(split(""), owned(&[""]));
        assert_eq!(split("a,"), owned(&["a", ""]));
        assert_eq!(split_at(b';', "a,b;\"c;d\""), owned(&["a,b", "c;d"]));
        assert_eq!(split_at(b'\t', "a\t\tb"), owned(&["a", "", "b"]));
        assert_eq!(split("\"a"), None);
        assert_eq!(split("\"a\"b"), None);
    }
}
