use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;

use crate::Store;

pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/health", get("ok"))
        .route("/metrics", get(metrics))
        .with_state(store)
}

/// The text format of Prometheus.
async fn metrics(State(store): State<Arc<Store>>) -> String {
    format!(
        "# TYPE kv_keys gauge\nkv_keys {}\n# TYPE kv_puts_total counter\nkv_puts_total {}\n",
        store.keys(),
        store.puts()
    )
}
