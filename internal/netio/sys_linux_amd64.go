package netio

// epollEventPad is the padding in struct epoll_event: none, it is packed.
const epollEventPad = 0
