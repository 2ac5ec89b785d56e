"""Connections count as open files, of which many systems allow 1,024 to a process unless it asks for more."""

MANY = 65_536


def allow_many_open_files() -> None:
    """Allow this process as many as the system lets it ask for; on Windows there is no such limit."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY if most == resource.RLIM_INFINITY else min(MANY, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
