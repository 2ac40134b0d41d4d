//! A socket between two processes that carries one byte and at most one file in each message. Knows nothing
//! of what they mean.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Room for the control message that carries a file.
#[repr(align(8))]
struct Ancillary([u8; 64]);

/// Two ends of a connection that keeps messages apart.
///
/// # Errors
/// What `socketpair` answers.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array holds the two descriptors that the call writes.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })?;
    // SAFETY: the call just made both descriptors and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Send one byte, and a file where there is one.
///
/// # Errors
/// What `sendmsg` answers.
pub fn send(socket: &OwnedFd, byte: u8, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut ancillary = Ancillary([0; 64]);
    let byte = [byte];
    let mut part = libc::iovec { iov_base: byte.as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: all zero is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    if let Some(file) = file {
        message.msg_control = ancillary.0.as_mut_ptr().cast();
        let bytes = size_of::<i32>() as u32;
        // SAFETY: the buffer is aligned for a header and longer than CMSG_SPACE of one descriptor (24 bytes).
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            libc::CMSG_DATA(header).cast::<i32>().write_unaligned(file.as_raw_fd());
        }
    }
    loop {
        // SAFETY: every pointer in the message is to a local that lives through the call, with its true
        // length.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The next byte, and the file that came with it; `None` when the other end is gone.
///
/// # Errors
/// What `recvmsg` answers.
pub fn receive(socket: &OwnedFd) -> io::Result<Option<(u8, Option<OwnedFd>)>> {
    let mut byte = [0_u8; 1];
    let mut ancillary = Ancillary([0; 64]);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: all zero is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.0.as_mut_ptr().cast();
    message.msg_controllen = ancillary.0.len();
    let got = loop {
        // SAFETY: every pointer in the message is to a local that lives through the call, with its true
        // length.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        if got >= 0 {
            break got;
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::ConnectionReset => return Ok(None),
            _ => return Err(error),
        }
    };
    if got == 0 {
        return Ok(None);
    }
    let mut file = None;
    // SAFETY: the kernel filled the buffer with as many control messages as `msg_controllen` now says;
    // CMSG_FIRSTHDR checks the length, and an SCM_RIGHTS message of [`send`]'s holds one descriptor, which is
    // ours from now on.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        if !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS
        {
            file = Some(OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<i32>().read_unaligned()));
        }
    }
    Ok(Some((byte[0], file)))
}
