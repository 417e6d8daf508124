//! The text of a file: unpacked, decoded to UTF-8, and read from front to back.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use encoding_rs::{Decoder, DecoderResult, Encoding};

use super::FormatError;
use super::unpack;

/// A file that can be read anywhere.
pub(crate) trait File: Read + Seek + Send {}

impl<T: Read + Seek + Send> File for T {}

/// Text as UTF-8 that is not checked yet, without a byte order mark.
pub(super) struct Text {
    inner: Inner,
    at: u64,
    /// Bytes read since the last row began.
    row_bytes: u64,
    row_bytes_max: u64,
}

enum Inner {
    /// The bytes of the file, from `start` on.
    Plain { file: Box<dyn File>, start: u64 },
    /// Unpacked or decoded: it can only be read on.
    Flowing(Box<dyn Read + Send>),
    /// It was moved elsewhere.
    Nothing,
}

/// A file that was begun to be looked at: its first bytes stand before the rest.
type Begun<R> = io::Chain<Cursor<Vec<u8>>, R>;

impl Text {
    /// # Errors
    /// When it is packed and broken, or cannot be read.
    pub(super) fn open(
        mut file: Box<dyn File>,
        encoding: Option<&str>,
        row_bytes_max: u64,
    ) -> Result<Text, FormatError> {
        let named = encoding
            .map(|name| Encoding::for_label(name.as_bytes()).expect("the name was checked"));
        let first = beginning(&mut file)?;
        let packed = unpack::is_packed(&first);
        file.seek(SeekFrom::Start(0))?;
        let of = |inner| Text { inner, at: 0, row_bytes: 0, row_bytes_max };
        let flowing: Box<dyn Read + Send> = if packed {
            unpack::flowing(file, &first)?
        } else {
            let marked = Encoding::for_bom(&first);
            let encoding = marked.map(|(encoding, _)| encoding).or(named);
            if encoding.is_none_or(|encoding| encoding == encoding_rs::UTF_8) {
                let start = marked.map_or(0, |(_, length)| length as u64);
                file.seek(SeekFrom::Start(start))?;
                return Ok(of(Inner::Plain { file, start }));
            }
            file
        };
        let (begun, first) = look(flowing)?;
        let flowing: Box<dyn Read + Send> =
            if packed { unpack::flowing_again(Box::new(begun), &first)? } else { Box::new(begun) };
        let (mut begun, first) = look(flowing)?;
        let marked = Encoding::for_bom(&first);
        let encoding = marked.map(|(encoding, _)| encoding).or(named);
        if let Some((_, length)) = marked {
            begun.read_exact(&mut vec![0; length])?;
        }
        let encoding = encoding.unwrap_or(encoding_rs::UTF_8);
        Ok(of(Inner::Flowing(if encoding == encoding_rs::UTF_8 {
            Box::new(begun)
        } else {
            Box::new(Decoding::new(Box::new(begun), encoding))
        })))
    }

    /// A text in memory, for rows as large as it is.
    pub(super) fn of(
        body: impl AsRef<[u8]> + Send + 'static,
        encoding: Option<&str>,
    ) -> Result<Text, FormatError> {
        Text::open(Box::new(Cursor::new(body)), encoding, u64::MAX)
    }

    /// Bytes of the text before what is read next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// A row begins: what it may read is counted from here.
    pub(super) fn begin_row(&mut self) {
        self.row_bytes = 0;
    }

    /// Goes to a place at once, if it can.
    pub(super) fn seek(&mut self, to: u64) -> io::Result<bool> {
        let Inner::Plain { file, start } = &mut self.inner else { return Ok(false) };
        file.seek(SeekFrom::Start(*start + to))?;
        self.at = to;
        Ok(true)
    }

    /// Goes to a place further on, by reading up to it if it must.
    pub(super) fn go_to(&mut self, to: u64) -> io::Result<()> {
        if !self.seek(to)? {
            // What is passed over is no row.
            let row_bytes_max = std::mem::replace(&mut self.row_bytes_max, u64::MAX);
            let rest = to.saturating_sub(self.at);
            let passed = io::copy(&mut self.by_ref().take(rest), &mut io::sink());
            self.row_bytes_max = row_bytes_max;
            passed?;
        }
        Ok(())
    }

    /// Leaves out so many lines.
    pub(super) fn skip_lines(&mut self, lines: u32) -> io::Result<()> {
        let mut byte = [0];
        for _ in 0..lines {
            self.begin_row();
            while self.read(&mut byte)? > 0 && byte != *b"\n" {}
        }
        Ok(())
    }

    /// Moves it out of where it stands.
    pub(super) fn moved(&mut self) -> Text {
        Text { inner: std::mem::replace(&mut self.inner, Inner::Nothing), row_bytes: 0, ..*self }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.inner {
            Inner::Plain { file, .. } => file.read(buffer)?,
            Inner::Flowing(reader) => reader.read(buffer)?,
            Inner::Nothing => 0,
        };
        self.at += length as u64;
        self.row_bytes += length as u64;
        if self.row_bytes > self.row_bytes_max {
            return Err(io::Error::other(format!(
                "a row is larger than {} bytes (`requests.body_bytes`)",
                self.row_bytes_max
            )));
        }
        Ok(length)
    }
}

/// The first bytes, enough to know what packs them.
fn beginning(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    reader.take(4).read_to_end(&mut first)?;
    Ok(first)
}

type Source = Box<dyn Read + Send>;

/// The first bytes, and the whole from them on.
fn look(mut reader: Source) -> io::Result<(Begun<Source>, Vec<u8>)> {
    let first = beginning(&mut reader)?;
    Ok((Cursor::new(first.clone()).chain(reader), first))
}

/// Text of another encoding, decoded as it is read.
struct Decoding {
    inner: Box<dyn Read + Send>,
    decoder: Decoder,
    encoded: Vec<u8>,
    encoded_at: usize,
    encoded_end: usize,
    decoded: Vec<u8>,
    decoded_at: usize,
    is_last: bool,
}

impl Decoding {
    fn new(inner: Box<dyn Read + Send>, encoding: &'static Encoding) -> Decoding {
        Decoding {
            inner,
            decoder: encoding.new_decoder_without_bom_handling(),
            encoded: vec![0; 16 << 10],
            encoded_at: 0,
            encoded_end: 0,
            decoded: Vec::new(),
            decoded_at: 0,
            is_last: false,
        }
    }

    fn decode(&mut self) -> io::Result<()> {
        if self.encoded_at == self.encoded_end {
            self.encoded_end = self.inner.read(&mut self.encoded)?;
            self.encoded_at = 0;
            self.is_last = self.encoded_end == 0;
        }
        let encoded = &self.encoded[self.encoded_at..self.encoded_end];
        let most = self.decoder.max_utf8_buffer_length_without_replacement(encoded.len());
        self.decoded.resize(most.unwrap_or(encoded.len() * 4) + 4, 0);
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            encoded,
            &mut self.decoded,
            self.is_last,
        );
        if let DecoderResult::Malformed(..) = result {
            let name = self.decoder.encoding().name();
            return Err(io::Error::other(format!("it is not {name}")));
        }
        self.encoded_at += read;
        self.decoded.truncate(written);
        self.decoded_at = 0;
        Ok(())
    }
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoded_at == self.decoded.len() && !self.is_last {
            self.decode()?;
        }
        let length = (&self.decoded[self.decoded_at..]).read(buffer)?;
        self.decoded_at += length;
        Ok(length)
    }
}
