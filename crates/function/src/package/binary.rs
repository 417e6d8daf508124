use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, SectionIndex};

use super::Target;

/// What a program for Linux needs of the machine that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub(super) architecture: Architecture,
    /// The newest version of the C library that it asks for, where it asks for any.
    pub(super) glibc: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    Arm64,
    X86_64,
}

/// That of Amazon Linux 2023, the oldest of the places where packages run.
const GLIBC: (u32, u32) = (2, 34);

impl Architecture {
    /// Its name on Lambda.
    pub(super) fn on_lambda(self) -> &'static str {
        match self {
            Architecture::Arm64 => "arm64",
            Architecture::X86_64 => "x86_64",
        }
    }
}

impl Binary {
    /// Reads the file's own tables.
    ///
    /// # Errors
    /// When it is no program for Linux on one of the known machines.
    pub(super) fn examine(file: &[u8]) -> Result<Binary, String> {
        let unfit = || "it is no program for Linux on a 64-bit machine".to_owned();
        let header = FileHeader64::<Endianness>::parse(file).map_err(|_| unfit())?;
        let endian = header.endian().map_err(|_| unfit())?;
        let architecture = match header.e_machine(endian) {
            EM_X86_64 => Architecture::X86_64,
            EM_AARCH64 => Architecture::Arm64,
            _ => return Err(unfit()),
        };
        let glibc = newest_glibc(file, header, endian).map_err(|_| unfit())?;
        Ok(Binary { architecture, glibc })
    }

    /// Whether it runs there.
    pub(super) fn fits(self, target: Target) -> Result<Architecture, String> {
        if let Some((major, minor)) = self.glibc.filter(|glibc| *glibc > GLIBC) {
            return Err(format!(
                "it needs glibc {major}.{minor}, and {}.{} is what there is on Lambda; build it on an older system",
                GLIBC.0, GLIBC.1
            ));
        }
        if self.architecture == Architecture::Arm64 && target != Target::Lambda {
            return Err(format!("{} runs x86_64 only, and it is for arm64", target.name()));
        }
        Ok(self.architecture)
    }
}

/// The highest `GLIBC_x.y` among the versions that the file needs of its libraries.
fn newest_glibc(
    file: &[u8],
    header: &FileHeader64<Endianness>,
    endian: Endianness,
) -> object::Result<Option<(u32, u32)>> {
    let sections = header.sections(endian, file)?;
    let Some((mut needs, link)) = needs(&sections, endian, file)? else { return Ok(None) };
    let names = sections.strings(endian, file, link)?;
    let mut newest = None;
    while let Some((_, mut versions)) = needs.next()? {
        while let Some(version) = versions.next()? {
            newest = newest.max(read_glibc(version.name(endian, names)?));
        }
    }
    Ok(newest)
}

type Needs<'file> = object::read::elf::VerneedIterator<'file, FileHeader64<Endianness>>;

fn needs<'file>(
    sections: &object::read::elf::SectionTable<'file, FileHeader64<Endianness>>,
    endian: Endianness,
    file: &'file [u8],
) -> object::Result<Option<(Needs<'file>, SectionIndex)>> {
    for section in sections.iter() {
        if let Some(found) = section.gnu_verneed(endian, file)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// `GLIBC_2.34` as numbers; `GLIBC_PRIVATE` and versions of other libraries are none.
fn read_glibc(version: &[u8]) -> Option<(u32, u32)> {
    let numbers = std::str::from_utf8(version).ok()?.strip_prefix("GLIBC_")?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(read_glibc(b"GLIBC_2.34") > read_glibc(b"GLIBC_2.9"));
        assert_eq!(read_glibc(b"GLIBC_2.2.5"), Some((2, 2)));
        assert_eq!(read_glibc(b"GLIBC_PRIVATE"), None);
        assert_eq!(read_glibc(b"GCC_4.2.0"), None);
    }

    #[test]
    fn what_a_place_lacks_is_told() {
        let fits = |architecture, glibc, target| Binary { architecture, glibc }.fits(target);
        let (x86, arm) = (Architecture::X86_64, Architecture::Arm64);
        assert_eq!(fits(x86, Some((2, 34)), Target::Lambda), Ok(x86));
        assert_eq!(fits(arm, None, Target::Lambda), Ok(arm));
        let error = fits(x86, Some((2, 38)), Target::Lambda).expect_err("too new");
        assert!(error.starts_with("it needs glibc 2.38"), "{error}");
        let error = fits(arm, None, Target::Azure).expect_err("another machine");
        assert_eq!(error, "azure runs x86_64 only, and it is for arm64");
    }

    #[test]
    fn a_program_of_this_machine_is_read() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("this program");
        let binary = Binary::examine(&own).expect("a program");
        assert!(binary.glibc.is_some_and(|glibc| glibc >= (2, 17)), "{binary:?}");
        assert!(Binary::examine(&own[..100]).is_err());
    }
}
