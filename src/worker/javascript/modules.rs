//! Finds and loads modules: files beside the one that imports them, or in the working directory for a cell.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use rquickjs::{
    Ctx, Exception, Module, Result,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
};

/// Resolves a specifier to the path of a file.
pub(super) struct Paths {
    /// `None` where nothing may be imported.
    pub(super) directory: Option<PathBuf>,
}

/// Reads the file of a module.
pub(super) struct Files;

impl Resolver for Paths {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let Some(directory) = &self.directory else {
            let text = format!("cannot import `{name}`: modules are off (`javascript.modules` of the configuration)");
            return Err(Exception::throw_reference(ctx, &text));
        };
        let is_path = ["./", "../", "/"].iter().any(|start| name.starts_with(start)) || matches!(name, "." | "..");
        if !is_path {
            let text =
                format!("cannot find module `{name}`: only paths that begin with `./`, `../` or `/` can be imported");
            return Err(Exception::throw_reference(ctx, &text));
        }
        // A cell's name is no path, and stands in the working directory.
        let folder = Path::new(base).parent().filter(|_| base.contains('/'));
        let path = directory.join(folder.unwrap_or(Path::new(""))).join(name);
        normal(&path).into_os_string().into_string().map_err(|path| {
            Exception::throw_reference(ctx, &format!("the path of a module must be valid text: {}", path.display()))
        })
    }
}

/// Takes `.` and `..` out of a path, so that one file is one module.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts
}

impl Loader for Files {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let source = fs::read_to_string(name).map_err(|error| {
            let text = format!("cannot load module `{name}`: {error}");
            Exception::throw_reference(ctx, &text)
        })?;
        let kind = attributes.and_then(|attributes| attributes.get_type().ok().flatten());
        if name.ends_with(".json") || kind.as_deref() == Some("json") {
            // Checked first, so that only what is JSON, and hence an expression, gets to be code.
            ctx.json_parse(source.as_str())?;
            return declare(ctx, name, format!("export default (\n{source}\n)"));
        }
        declare(ctx, name, source)
    }
}

/// Declares a module and what it finds as `import.meta`.
pub(super) fn declare<'js>(ctx: &Ctx<'js>, name: &str, source: String) -> Result<Module<'js, Declared>> {
    let module = Module::declare(ctx.clone(), name, source)?;
    if name.starts_with('/') {
        module.meta()?.set("url", format!("file://{name}"))?;
    }
    Ok(module)
}
