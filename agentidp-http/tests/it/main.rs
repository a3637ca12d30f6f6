//! The server's answers, through its router and without a socket.

mod problems;
mod served;
