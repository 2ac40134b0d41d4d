//! Which file of a crate uses which, and the circles among them.
//!
//! A file uses another where it names an item of it, whatever way the name was imported. Two things do not
//! count: what only tests use, and what a module says for all its parts (`mod.rs` may list the parts, and
//! they may use what it defines).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, ItemUse, Lit, Meta, UseTree};

/// A path in the source, as its segments.
type Segments = Vec<String>;

/// Which file uses which, and a name by which it does.
pub(crate) type Uses = BTreeMap<(PathBuf, PathBuf), String>;

/// What one module defines, imports and names.
#[derive(Default)]
struct Module {
    file: PathBuf,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
    names: BTreeSet<Segments>,
}

/// The modules of a crate, by their path from its root.
pub(crate) struct Crate {
    modules: BTreeMap<Segments, Module>,
}

impl Crate {
    /// Reads a crate from its root file, `lib.rs` or `main.rs`.
    pub(crate) fn read(root: &Path) -> Self {
        let mut all = Self { modules: BTreeMap::new() };
        let folder = root.parent().expect("a file lies in a folder");
        all.read_file(root, folder, Vec::new());
        all
    }

    fn read_file(&mut self, file: &Path, folder: &Path, path: Segments) {
        let text = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("{} is a module: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(&parsed.items, file, folder, path);
    }

    fn read_items(&mut self, items: &[Item], file: &Path, folder: &Path, path: Segments) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            if let Item::Mod(inner) = item {
                self.read_module(inner, file, folder, &path);
                continue;
            }
            module.items.extend(defined(item));
            module.visit_item(item);
        }
        module.names.remove(&Vec::new());
        self.modules.insert(path, module);
    }

    fn read_module(&mut self, module: &ItemMod, file: &Path, folder: &Path, outer: &[String]) {
        let name = module.ident.to_string();
        let path = [outer, std::slice::from_ref(&name)].concat();
        let below = folder.join(&name);
        if let Some((_, items)) = &module.content {
            return self.read_items(items, file, &below, path);
        }
        if let Some(given) = given_path(&module.attrs) {
            let beside = file.parent().expect("a file lies in a folder");
            return self.read_file(&beside.join(given), &below, path);
        }
        let beside = folder.join(format!("{name}.rs"));
        let inside = below.join("mod.rs");
        self.read_file(if beside.exists() { &beside } else { &inside }, &below, path);
    }

    /// Which file uses which, and by which name.
    pub(crate) fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (path, module) in &self.modules {
            let outer: Vec<_> = (0..=path.len()).filter_map(|end| self.modules.get(&path[..end])).collect();
            for name in module.names.iter().chain(module.imports.values()) {
                let used = self.resolve(path, name, 0);
                if let Some(used) = used.filter(|used| outer.iter().all(|outer| outer.file != **used)) {
                    uses.entry((module.file.clone(), used.clone())).or_insert_with(|| name.join("::"));
                }
            }
        }
        uses
    }

    /// Every name in every file, as it stands there.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&Path, &Segments)> {
        let modules = self.modules.values();
        modules.flat_map(|module| {
            let names = module.names.iter().chain(module.imports.values());
            names.map(|name| (module.file.as_path(), name))
        })
    }

    /// The file that defines what a name means in a module. `None` for modules themselves and for other
    /// crates.
    fn resolve(&self, module: &[String], name: &[String], depth: usize) -> Option<&PathBuf> {
        let (first, rest) = name.split_first()?;
        // Two globs may import each other.
        if depth > 32 {
            return None;
        }
        let outer = || &module[..module.len().saturating_sub(1)];
        match first.as_str() {
            "crate" => return self.resolve(&[], rest, depth + 1),
            "self" => return self.resolve(module, rest, depth + 1),
            "super" => return self.resolve(outer(), rest, depth + 1),
            _ => {}
        }
        let inner = [module, std::slice::from_ref(first)].concat();
        let here = self.modules.get(module)?;
        if self.modules.contains_key(&inner) {
            return self.resolve(&inner, rest, depth + 1);
        }
        if here.items.contains(first) {
            return Some(&here.file);
        }
        if let Some(import) = here.imports.get(first).filter(|import| import[..] != *name) {
            return self.resolve(module, &[import, rest].concat(), depth + 1);
        }
        let globs = here.globs.iter();
        globs.filter_map(|glob| self.resolve(module, &[glob, name].concat(), depth + 1)).next()
    }
}

/// Groups of files each of which uses every other, by whatever way round.
pub(crate) fn circles(uses: &Uses) -> Vec<BTreeSet<PathBuf>> {
    let mut reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
    for (from, to) in uses.keys() {
        reached.entry(from).or_default().insert(to);
    }
    let from = |start| {
        let mut seen = BTreeSet::new();
        let mut next = vec![start];
        while let Some(file) = next.pop() {
            let others = reached.get(file).into_iter().flatten().copied();
            next.extend(others.filter(|&other| seen.insert(other)));
        }
        seen
    };
    let all: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        reached.keys().map(|&file| (file, from(file))).collect();
    let mut found = BTreeSet::new();
    for (&file, seen) in &all {
        let circle: BTreeSet<PathBuf> = seen
            .iter()
            .filter(|other| all.get(**other).is_some_and(|back| back.contains(file)))
            .map(|&other| other.clone())
            .collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

impl Module {
    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Glob(_) => self.globs.push(before.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().cloned().unwrap_or_default();
                self.imports.insert(last, before.to_vec());
            }
            UseTree::Name(name) => {
                self.imports.insert(name.ident.to_string(), with(&name.ident));
            }
            UseTree::Rename(rename) => {
                // Two traits may both be imported as `_`: the paths tell them apart.
                let path = with(&rename.ident);
                let name = rename.rename.to_string();
                self.imports.insert(if name == "_" { path.join("::") } else { name }, path);
            }
        }
    }

    /// Paths in what a macro is given, which is not parsed.
    fn names_in(&mut self, tokens: TokenStream) {
        let mut path: Segments = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if path.is_empty() || colons == 2 => path.push(ident.to_string()),
                TokenTree::Ident(ident) => {
                    self.names.insert(std::mem::replace(&mut path, vec![ident.to_string()]));
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                other => {
                    self.names.insert(std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other
                        && group.delimiter() != Delimiter::None
                    {
                        self.names_in(group.stream());
                    }
                }
            }
            colons = 0;
        }
        self.names.insert(path);
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.names.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.names_in(called.tokens.clone());
    }
}

/// The name that an item gives to a module, if any.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether it stands under `#[cfg(test)]`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// The variants of an enum in a file.
pub(crate) fn variants(file: &Path, name: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let parsed = syn::parse_file(&text).expect("it is Rust");
    let enums = parsed.items.into_iter().filter_map(|item| match item {
        Item::Enum(item) if item.ident == name => Some(item.variants),
        _ => None,
    });
    enums.flatten().map(|variant| variant.ident.to_string()).collect()
}

/// `BaseStock` has the file `base_stock.rs`.
pub(crate) fn file_name(type_name: &str) -> String {
    let mut name = String::new();
    for letter in type_name.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name + ".rs"
}

/// The file that `#[path = "..."]` names.
fn given_path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}
