# A slim root, as Debian's image is: no lists, no logs, no leap of faith in the host's mirror.
rm -rf var/lib/apt/lists/* etc/apt/sources.list etc/apt/sources.list.d/*
: > etc/apt/sources.list
printf 'APT::Install-Suggests "false";\nAcquire::Languages "none";\nAPT::AutoRemove::SuggestsImportant "false";\n' \
    > etc/apt/apt.conf.d/docker
printf 'force-unsafe-io\n' > etc/dpkg/dpkg.cfg.d/docker-apt-speedup
