"""Without a cluster: play the templates here, or show the whole way from a request to rows."""


def play() -> None: ...


def demo() -> None: ...
