use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::proto::kv_client::KvClient;
use crate::proto::kv_server::{self, KvServer};
use crate::proto::{
    EntriesRequest, Entry, GetReply, GetRequest, PutReply, PutRequest, ReplicateReply,
};
use crate::{Store, admin};

/// How long a write waits for a peer that took the connection and then says nothing.
const PEER_TIMEOUT: Duration = Duration::from_secs(1);

/// One node of the service; clones share it.
#[derive(Clone)]
pub struct Kv {
    store: Arc<Store>,
    peers: Arc<dyn Fn() -> Vec<SocketAddr> + Send + Sync>,
}

impl Kv {
    /// Opens the node's data in `dir`. `peers` is asked for the other nodes' gRPC addresses whenever
    /// they are needed, so that nodes may come and go.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(
        dir: &Path,
        node: u64,
        peers: impl Fn() -> Vec<SocketAddr> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Ok(Self {
            store: Arc::new(Store::open(dir, node)?),
            peers: Arc::new(peers),
        })
    }

    /// The node's data.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Answers gRPC until `stopping`, finishes the requests that it has, then compacts the log.
    ///
    /// # Errors
    /// When the server fails, or the log cannot be rewritten.
    pub async fn serve_grpc(
        self,
        listener: TcpListener,
        stopping: impl Future<Output = ()>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let service = KvServer::new(self.clone());
        Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, stopping)
            .await?;
        Ok(self.store.compact()?)
    }

    /// Answers `/health` and `/metrics` until `stopping`.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve_admin(
        self,
        listener: TcpListener,
        stopping: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, admin::router(self.store))
            .with_graceful_shutdown(stopping)
            .await
    }

    /// Pulls what the peers have and gives them what this node has; a peer that does not answer will
    /// do the same with this node when it starts. To miss nothing, serve before you call it: a write
    /// elsewhere is then either in a peer's answer or pushed to this node.
    ///
    /// # Errors
    /// When what a peer has cannot be written here.
    pub async fn catch_up(&self) -> io::Result<()> {
        for entries in join_all((self.peers)().into_iter().map(pull))
            .await
            .into_iter()
            .flatten()
        {
            entries
                .into_iter()
                .try_for_each(|entry| self.store.merge(entry))?;
        }
        self.push(self.store.entries()).await;
        Ok(())
    }

    /// Gives entries to all peers at once.
    async fn push(&self, entries: Vec<Entry>) {
        join_all((self.peers)().into_iter().map(|peer| {
            let entries = tokio_stream::iter(entries.clone());
            // A peer that is down pulls when it starts, so its error is no news.
            async move { connect(peer).await.ok()?.replicate(entries).await.ok() }
        }))
        .await;
    }
}

/// A new connection each time: one that is kept may be found dead only by the write it then loses.
async fn connect(peer: SocketAddr) -> Result<KvClient<Channel>, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{peer}"))?;
    let channel = endpoint
        .connect_timeout(PEER_TIMEOUT)
        .timeout(PEER_TIMEOUT)
        .connect()
        .await?;
    Ok(KvClient::new(channel))
}

async fn pull(peer: SocketAddr) -> Option<Vec<Entry>> {
    let mut stream = connect(peer)
        .await
        .ok()?
        .entries(EntriesRequest {})
        .await
        .ok()?
        .into_inner();
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = stream.message().await {
        entries.push(entry);
    }
    Some(entries)
}

#[tonic::async_trait]
impl kv_server::Kv for Kv {
    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutReply>, Status> {
        let PutRequest { key, value } = request.into_inner();
        let entry = self.store.put(key, value)?;
        let version = entry.version;
        self.push(vec![entry]).await;
        Ok(Response::new(PutReply { version }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetReply>, Status> {
        let key = request.into_inner().key;
        match self.store.get(&key) {
            Some(value) => Ok(Response::new(GetReply { value })),
            None => Err(Status::not_found(format!(
                "nothing is stored under {key:?}"
            ))),
        }
    }

    type EntriesStream = tokio_stream::Iter<std::vec::IntoIter<Result<Entry, Status>>>;

    async fn entries(
        &self,
        _: Request<EntriesRequest>,
    ) -> Result<Response<Self::EntriesStream>, Status> {
        let entries: Vec<_> = self.store.entries().into_iter().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(entries)))
    }

    async fn replicate(
        &self,
        request: Request<Streaming<Entry>>,
    ) -> Result<Response<ReplicateReply>, Status> {
        let mut stream = request.into_inner();
        while let Some(entry) = stream.message().await? {
            self.store.merge(entry)?;
        }
        Ok(Response::new(ReplicateReply {}))
    }
}
