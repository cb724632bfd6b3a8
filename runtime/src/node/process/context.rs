//! What a node's start function can do with processes.

use std::net::TcpListener;
use std::process::Command;

use super::handle::Process;
use crate::error::Error;
use crate::node::NodeContext;
use crate::node::sockets;

impl NodeContext {
    /// Starts a process of the node, supervised: if it ends, the node has died, unless the node is
    /// [`stopping`](Self::stopping).
    ///
    /// It works in the node's [`data_dir`](Self::data_dir), unless the command names a directory. Its
    /// standard input is empty, and what it prints, on both outputs, goes to the node's log line by line.
    /// The command's own settings for the three are not looked at, and not changed.
    ///
    /// The process shares the fate of the node, and so does everything that it starts, daemons too:
    ///
    /// | the node | the process |
    /// |---|---|
    /// | [`kill`](crate::TestNode::kill), `restart`, death, the end of the test | SIGKILL, with all its descendants |
    /// | [`stop`](crate::TestNode::stop) | SIGTERM; after its end, or five seconds, SIGKILL for what is left |
    /// | [`pause`](crate::TestNode::pause), `resume` | SIGSTOP and SIGCONT, with all its descendants |
    ///
    /// When the test process ends, in whatever way, they are killed at once: after a panic, `exit` or
    /// `abort`, and if the test process itself is killed. They stay in the test's process group, so
    /// signals from the terminal and from test runners reach them.
    ///
    /// # Errors
    ///
    /// The program cannot be executed; the message names it, and says where it was looked for. Or the
    /// node is going down.
    ///
    /// # Panics
    ///
    /// The data directory cannot be created.
    ///
    /// # Cancel safety
    ///
    /// It does not wait for anything: once polled, the process has been started.
    ///
    /// # Platform notes
    ///
    /// Only on Linux, from 5.9 on. Between the test and each process stands a supervisor: a fork of the
    /// test process, which shows as `port-test-super` and shares its memory. If somebody kills that as
    /// well, the process itself is killed, but not what it has started. A descendant that has become
    /// another user, as by `sudo`, cannot be killed.
    ///
    /// Hooks of `pre_exec` run before the supervisor is forked, and apply to it too; in a session or a
    /// group of its own the process is not reached by signals to the test's group.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Command;
    /// use port_test::{BoxError, NodeContext, Process, TestNode, port_test};
    ///
    /// async fn web(cx: NodeContext) -> Result<Process, BoxError> {
    ///     let mut server = Command::new("python3");
    ///     server.args(["-m", "http.server", "--bind", "127.0.0.1"]).arg(cx.port().to_string());
    ///     let server = cx.spawn_process(&mut server).await?;
    ///     Ok(server) // ready when it listens on the port
    /// }
    ///
    /// #[port_test(service = web)]
    /// async fn answers(node: TestNode<Process>) -> Result<(), BoxError> {
    ///     std::fs::write(node.data_dir().join("hello.txt"), "hello")?;
    ///     // ... any HTTP client, to node.url()
    ///     node.restart().await?;
    ///     Ok(())
    /// }
    /// # if Command::new("python3").arg("-V").output().is_ok() { answers(); }
    /// ```
    pub async fn spawn_process(&self, command: &mut Command) -> Result<Process, Error> {
        self.spawn_with(command, Vec::new())
    }

    /// As [`spawn_process`](Self::spawn_process), for a program that takes listening sockets by the
    /// protocol of systemd: it inherits one on each of the TCP `ports`, in their order, and nobody can
    /// come in between.
    ///
    /// The sockets are the file descriptors from 3 on. `LISTEN_FDS` is their number, `LISTEN_PID` that of
    /// the process, and `LISTEN_FDNAMES` the names of the ports. They listen already, so clients wait
    /// instead of being refused while the program is starting.
    ///
    /// # Errors
    ///
    /// As `spawn_process`; or somebody listens there already, or a port is for UDP only.
    ///
    /// # Panics
    ///
    /// There is no port of such a name; the message lists those that there are. Or the data directory
    /// cannot be created.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, there is no process.
    ///
    /// # Platform notes
    ///
    /// Only on Linux. A name that `CommandExt::arg0` has given to the program is not used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::process::Command;
    /// use port_test::{BoxError, NodeContext, Process};
    ///
    /// async fn start(cx: NodeContext) -> Result<Process, BoxError> {
    ///     let mut server = Command::new(port_test::cargo_bin!("server"));
    ///     Ok(cx.spawn_process_with_listeners(&mut server, &["main", "admin"]).await?)
    /// }
    /// ```
    pub async fn spawn_process_with_listeners(
        &self,
        command: &mut Command,
        ports: &[&str],
    ) -> Result<Process, Error> {
        let mut listeners = Vec::with_capacity(ports.len());
        for &name in ports {
            let index = self.member.ports.index_of(name, &self.member.label);
            let listener = sockets::listener(&self.member, index).await?;
            listeners.push((name, listener));
        }
        self.spawn_with(command, listeners)
    }

    fn spawn_with(
        &self,
        command: &mut Command,
        listeners: Vec<(&str, TcpListener)>,
    ) -> Result<Process, Error> {
        let (member, life) = (&self.member, &self.life);
        let directory = member.data_dir();
        life.processes()
            .spawn(member, directory, command, listeners, life.on_exit())
    }
}
