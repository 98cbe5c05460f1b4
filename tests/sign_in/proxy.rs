//! A proxy on loopback. Whatever host is asked for, it leads to one address.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The fate of a CONNECT.
pub enum Way {
    /// A tunnel to that address.
    To(SocketAddr),
    /// These bytes, and the end.
    Answer(&'static str),
}

pub struct Proxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy that leads to a server.
    pub fn to(address: SocketAddr) -> Proxy {
        Self::start("127.0.0.1:0", move |_| Way::To(address))
    }

    pub fn start(at: &str, way: impl Fn(&str) -> Way + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind(at).unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let (heads, way) = (proxy.heads.clone(), Arc::new(way));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (heads, way) = (heads.clone(), way.clone());
                std::thread::spawn(move || {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_exact(&mut byte).is_err() {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8(head).unwrap();
                    heads.lock().unwrap().push(head.clone());
                    match way(&head) {
                        Way::To(address) => tunnel(&mut stream, address),
                        Way::Answer(text) => drop(stream.write_all(text.as_bytes())),
                    }
                });
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of what it was asked.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The places that it was asked for, in order, each once.
    pub fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        for head in self.heads() {
            let place = head.split(' ').nth(1).unwrap().to_owned();
            assert!(head.starts_with("CONNECT "), "{head}");
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

fn tunnel(near: &mut TcpStream, address: SocketAddr) {
    let far = TcpStream::connect(address).unwrap();
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let up = std::thread::spawn(move || {
        let _ = std::io::copy(&mut near_in, &mut far_out);
        let _ = far_out.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut { far }, near);
    let _ = near.shutdown(Shutdown::Both);
    up.join().unwrap();
}
