//! Zstandard, of any number of frames.

use std::io::{BufRead, Error, ErrorKind, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes of the largest window: what `zstd --long` asks for at most without being forced.
const WINDOW_BYTES_MAX: u64 = 128 << 20;

/// Whether a file that begins like this is Zstandard: a frame, or one to be skipped.
pub(super) fn is_frame(head: &[u8]) -> bool {
    head.starts_with(b"\x28\xb5\x2f\xfd")
        || matches!(head, [first, 0x2a, 0x4d, 0x18, ..] if (0x50..=0x5f).contains(first))
}

/// Gives the bytes of all frames, one after the other.
pub(super) struct ZstdDecoder<R> {
    source: R,
    frame: Option<Box<FrameDecoder>>,
}

impl<R: BufRead> ZstdDecoder<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, frame: None }
    }

    /// Begins the next frame; says whether there is one.
    fn begin(&mut self) -> std::io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            let mut frame = Box::new(FrameDecoder::new());
            frame.set_max_window_size(WINDOW_BYTES_MAX);
            match frame.init(&mut self.source) {
                Ok(()) => {
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    std::io::copy(&mut (&mut self.source).take(length.into()), &mut std::io::sink())?;
                }
                Err(error) => return Err(damaged(&error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for ZstdDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let Some(frame) = &mut self.frame else {
                if buffer.is_empty() || !self.begin()? {
                    return Ok(0);
                }
                continue;
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                let strategy = BlockDecodingStrategy::UptoBlocks(1);
                frame.decode_blocks(&mut self.source, strategy).map_err(|error| damaged(&error))?;
            }
            let count = frame.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let (written, found) = (frame.get_checksum_from_data(), frame.get_calculated_checksum());
            if written.is_some() && written != found {
                return Err(Error::new(ErrorKind::InvalidData, "the checksum of a frame differs"));
            }
            self.frame = None;
        }
    }
}

fn damaged(error: &dyn std::fmt::Display) -> Error {
    // The decoder's words may have lines of their own.
    let cause = error.to_string().split('\n').map(str::trim).collect::<Vec<_>>().join(": ");
    Error::new(ErrorKind::InvalidData, cause)
}
