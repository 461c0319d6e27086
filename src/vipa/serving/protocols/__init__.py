"""The protocols of policy servers, a client and a wire format each."""
