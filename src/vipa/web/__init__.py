"""Pages for people, served from this process: who may open them, HTTP and sockets on one port."""
