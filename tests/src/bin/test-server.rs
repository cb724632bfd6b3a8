//! A server that listens on a port, answers each connection with its pid, and does what else it is told:
//! `test-server PORT WORD...`. Whatever is not a word is a mark, by which tests find it in `/proc`.

use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{self, Command};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let port: u16 = args
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let words: Vec<String> = args.collect();
    let told = |word: &str| words.iter().any(|told| told == word);
    let value = |word: &str| {
        let value = words
            .iter()
            .find_map(|told| told.strip_prefix(word)?.strip_prefix('='));
        value.map(|value| value.parse::<i64>().expect("a number"))
    };

    if let Some(port) = value("daemon") {
        start_daemon(port);
    }
    if told("ignore-term") {
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    }
    if told("talk") {
        talk()?;
    }
    if let Some(status) = value("exit") {
        println!("that was all");
        process::exit(status as i32);
    }
    if let Some(bytes) = value("spew") {
        spew(bytes as usize)?;
    }

    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = if told("no-reuseaddr") || told("reuseport") {
        bind(addr, told("reuseport"))?
    } else if told("listenfd") {
        inherited()?
    } else {
        TcpListener::bind(addr)?
    };
    fs::write(format!("listening-{port}"), process::id().to_string())?;
    loop {
        let (mut client, _) = listener.accept()?;
        if let Some(status) = value("exit-on-connect") {
            print!("my last words");
            io::stdout().flush()?;
            process::exit(status as i32);
        }
        if told("abort-on-connect") {
            process::abort();
        }
        client.write_all(process::id().to_string().as_bytes())?;
    }
}

/// With SO_REUSEPORT, or with no option at all.
fn bind(addr: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&addr.into())?;
    // A slow start, so that whoever looks whether it listens has time to be in its way.
    std::thread::sleep(Duration::from_millis(50));
    socket.listen(16)?;
    Ok(socket.into())
}

/// As systemd hands it over; the names and the pid are checked by hand, the sockets by the crate.
fn inherited() -> io::Result<TcpListener> {
    assert_eq!(env::var("LISTEN_PID"), Ok(process::id().to_string()));
    println!("names: {}", env::var("LISTEN_FDNAMES").unwrap());
    println!("kept: {}", env::var("KEPT").unwrap());
    let mut sockets = listenfd::ListenFd::from_env();
    println!("sockets: {}", sockets.len());
    let others: Vec<_> = (1..sockets.len())
        .map(|index| sockets.take_tcp_listener(index).unwrap().unwrap())
        .collect();
    let answer = move |listener: TcpListener| {
        for client in listener.incoming() {
            client.unwrap().write_all(b"another").unwrap();
        }
    };
    for other in others {
        std::thread::spawn(move || answer(other));
    }
    Ok(sockets.take_tcp_listener(0)?.expect("a first socket"))
}

/// Says who it is and what it has been given.
fn talk() -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    println!("stdin: {} bytes", input.len());
    eprintln!("directory: {}", env::current_dir()?.display());
    // SAFETY: it cannot fail.
    println!("group: {}", unsafe { libc::getpgrp() });
    io::stdout().write_all(b"not UTF-8: \xff\xfe\n")?;
    let mask = fs::read_to_string("/proc/self/status")?;
    for line in mask.lines().filter(|line| line.starts_with("SigBlk")) {
        println!("{line}");
    }
    let descriptors = fs::read_dir("/proc/self/fd")?.count();
    println!("descriptors: {descriptors}");
    for line in 0..100 {
        match line % 2 {
            0 => println!("line {line}"),
            _ => eprintln!("line {line}"),
        }
    }
    Ok(())
}

fn spew(bytes: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let line = [b'x'; 1023];
    let mut chunk = Vec::new();
    for _ in 0..64 {
        chunk.extend_from_slice(&line);
        chunk.push(b'\n');
    }
    for _ in 0..bytes.div_ceil(chunk.len()) {
        out.write_all(&chunk)?;
    }
    Ok(())
}

/// Starts a server on `port` as daemons of the old kind start themselves: forked twice, in a session of
/// its own.
fn start_daemon(port: i64) {
    let args: Vec<String> = env::args().collect();
    // SAFETY: this process has one thread, and its children do no more than fork, execute and exit.
    unsafe {
        let between = libc::fork();
        if between == 0 {
            libc::setsid();
            if libc::fork() == 0 {
                let mark = args.last().expect("a mark");
                let mut daemon = Command::new(&args[0]);
                daemon.arg(port.to_string()).arg(mark);
                panic!("{}", daemon.exec());
            }
            libc::_exit(0);
        }
        // As they do, so that the one in between is gone before this server listens: who counts the
        // processes then counts no more than these.
        libc::waitpid(between, std::ptr::null_mut(), 0);
    }
}
