//! Files that are written whole or not at all, for the two edges: the command, and the checker of tests.

use std::path::Path;

/// Writes a file and the folders above it. Whoever reads it meanwhile sees the old content or the new one.
///
/// # Errors
/// If it cannot be written; then nothing is left behind but folders.
///
/// # Panics
/// If the path names no file.
pub fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().expect("a file in a folder");
    std::fs::create_dir_all(folder)?;
    let name = file.file_name().expect("a file has a name").to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let done = std::fs::write(&draft, bytes).and_then(|()| std::fs::rename(&draft, file));
    if done.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    done
}
