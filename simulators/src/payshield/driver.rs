//! The box on a socket: commands behind a length of two bytes, as many connections as come.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::machine::Machine;

/// A running box; stops when dropped.
#[derive(Debug)]
pub struct Handle {
    addr: SocketAddr,
    listener: JoinHandle<()>,
}

impl Handle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Listens and answers. Needs a tokio runtime.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(machine: Machine, listen: SocketAddr) -> io::Result<Handle> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let machine = Arc::new(machine);
    let accepting = async move {
        // The connections end with it.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            connections.spawn(serve(stream, Arc::clone(&machine)));
            while connections.try_join_next().is_some() {}
        }
    };
    Ok(Handle { addr, listener: tokio::spawn(accepting) })
}

/// Ends with the connection; a peer that breaks off is no error of the box.
async fn serve(mut stream: TcpStream, machine: Arc<Machine>) {
    let _ = stream.set_nodelay(true);
    loop {
        let Ok(length) = stream.read_u16().await else { return };
        let mut command = vec![0; usize::from(length)];
        if stream.read_exact(&mut command).await.is_err() {
            return;
        }
        let answer = machine.answer(&command);
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let bytes = [&length.to_be_bytes()[..], &answer].concat();
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
