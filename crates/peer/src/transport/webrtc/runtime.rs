//! The stack's runtime: tokio, except that sockets are ports of the mux and that a task which ends, or panics, ends its connection.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime,
    TokioRuntime,
};

use super::mux::{Line, Mux, Port};

/// The runtime of one connection.
#[derive(Debug)]
pub(super) struct MuxRuntime {
    pub(super) mux: Arc<Mux>,
    pub(super) line: Arc<Line>,
    /// Cancelled when the connection's driver is gone.
    pub(super) dead: CancellationToken,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for MuxRuntime {
    /// A panic in the stack ends the one task, as tokio has it; the guard tells the connection, also in that case.
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        let guard = self.dead.clone().drop_guard();
        TokioRuntime.spawn(Box::pin(async move {
            let _guard = guard;
            future.await;
        }))
    }

    /// The socket that the stack has bound is thrown away; its address stays the name.
    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let name = socket.local_addr()?;
        Ok(Arc::new(Port { mux: self.mux.clone(), line: self.line.clone(), name }))
    }

    fn wrap_tcp_listener(&self, _: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// ICE over TCP would let a description make us connect anywhere.
    fn connect_tcp<'a>(&'a self, _: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    /// No name in a description is looked up.
    fn resolve_host<'a>(&'a self, _: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio, one port"
    }
}
