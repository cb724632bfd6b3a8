//! The test on the README's first screen, which really runs.

// begin
use port_test::{BoxError, Cluster, Node, NodeContext, eventually, port_test};

struct Web;

impl Node for Web {
    async fn start(cx: NodeContext) -> Result<Self, BoxError> {
        let listener = cx.tcp_listener().await?; // or bind cx.addr() yourself: nobody else can
        let app = axum::Router::new().route("/", axum::routing::get(async || "hello"));
        cx.spawn(axum::serve(listener, app).into_future()); // if it ends, the test fails
        Ok(Web)
    }
}

#[port_test(nodes = 3)]
async fn survives_a_crash(cluster: Cluster<Web>) -> Result<(), BoxError> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = cluster[1].url();
    assert_eq!(http.get(&url).send().await?.text().await?, "hello");

    cluster[1].kill().await?;
    assert!(http.get(&url).send().await.is_err());

    cluster[1].restart().await?; // the same port, the same directory
    eventually("an answer", || http.get(&url).send()).await?;
    Ok(())
}
// end

#[test]
fn it_is_what_the_readme_shows() {
    let (_, code) = include_str!("readme.rs").split_once("// begin\n").unwrap();
    let (code, _) = code.split_once("// end\n").unwrap();
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&format!("```rust\n{code}```\n")),
        "the README shows another test"
    );
}
