package netio

// epollEventPad is the padding in struct epoll_event before its 64-bit data.
const epollEventPad = 4
