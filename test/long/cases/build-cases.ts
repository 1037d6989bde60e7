import { quiet, type Scenario } from './case.ts'

/** What a build made, where two builders can agree. */
const CONFIG = "image inspect --format '{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{json .Config.Env}} {{.Config.WorkingDir}} {{.Config.User}} {{json .Config.Labels}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{json .Config.Healthcheck}} {{json .Config.OnBuild}} {{.Config.StopSignal}} {{json .Config.Shell}} {{.Author}} {{len .RootFS.Layers}}' ~b"
const HISTORY = "history --no-trunc --format '{{.CreatedBy}}|{{.Size}}' ~b"
const BUILD = 'build --no-cache --force-rm --network none -t ~b ~dir'

function built(name: string, dockerfile: string, more: Readonly<Record<string, string>> = {}): Scenario {
  return { name, files: { Dockerfile: dockerfile, ...more }, steps: [BUILD, CONFIG, HISTORY] }
}

/** Several Dockerfiles that cannot be built, each refused in the same words. */
function refused(name: string, dockerfiles: readonly string[], files: Readonly<Record<string, string>> = {}): Scenario {
  return {
    name, files: { ...files, ...Object.fromEntries(dockerfiles.map((text, index) => [`D${index}`, text])) },
    steps: dockerfiles.map((_text, index) => ({ line: `build --no-cache --force-rm --network none -f ~dir/D${index} ~dir` })),
  }
}

/** `docker build` as the classic builder of dockerd 20.10 does it: what is printed, what comes of it, and how mistakes are told. */
export const BUILD_CASES: readonly Scenario[] = [
  built('every instruction that changes the configuration', `FROM busybox
ENV A=1 B="two words"
ENV C=$A-\${X:-y} D=\${A:+set} E='$A' F=\\$A
LABEL x=y "a b"="c d" z=$B
EXPOSE 80 90-91/udp \${P:-7}/tcp
VOLUME /v ["/w"]
WORKDIR /d
WORKDIR e/f
USER nobody:5
STOPSIGNAL SIGINT
SHELL ["/bin/sh","-ec"]
HEALTHCHECK --interval=5s --retries=3 CMD true
HEALTHCHECK --timeout=1m CMD ["x","y"]
ONBUILD RUN echo later
MAINTAINER me <me@x>
ENTRYPOINT exec top
CMD ["a","b c"]
`),
  built('commands run and leave layers', `FROM busybox
RUN echo out
RUN echo err >&2
RUN ["/bin/busybox", "echo", "exec  form"]
RUN echo a > /f1; mkdir /d1; echo b > /d1/f2; ln /f1 /f3
RUN rm /f1; rm -r /d1; mkdir /d1; touch /d1/new
RUN ls -d /f* /d1 /d1/*; cat /f3
RUN id -u; pwd; env | grep -v HOSTNAME | sort
RUN echo one \\
# between
    two
`),
  built('stages build on each other and copy from each other', `ARG BASE=busy
ARG FULL=\${BASE}box
FROM \${FULL} AS One
ARG BASE
ARG OWN=own
RUN echo $BASE $OWN > /made
FROM one AS two
RUN cat /made; echo "[$OWN]"
FROM scratch
COPY --from=0 /made /a/
COPY --from=two /made /b
COPY --from=busybox /bin/busybox /c/
CMD ["x"]
`),
  built('a base image has its triggers run', `FROM busybox AS base
ONBUILD ENV T=1
ONBUILD RUN echo trigger $T
FROM base
RUN echo after $T
`),
  built('files are copied where Docker copies them', `FROM busybox
COPY one /x
COPY one two /d/
COPY dir /e
COPY dir/ /g/h/
COPY dir/sub/../in .
COPY o* /pat/
COPY one dir/ /m/
WORKDIR /w
COPY one .
COPY one ./y/
COPY ["two", "z z"]
ADD one /bin
RUN ln -s /etc /link
COPY dir /link
RUN find /x /d /e /g /in /pat /m /w /bin/one /etc/in /etc/sub | sort; cat /w/y/one; ls -ldn /e /g | cut -c1-30
`, { one: '1\n', two: '2\n', 'dir/in': 'in\n', 'dir/sub/deep': 'deep\n' }),
  built('changes of a volume are forgotten', 'FROM busybox\nRUN mkdir /v && echo a > /v/a\nVOLUME /v\nRUN echo b > /v/b; ls /v\nRUN ls /v\n'),
  built('the escape directive, tabs, carriage returns and case', '# escape=`\nfrom busybox as B\r\n\trun echo a `\r\n  b\r\nENV p=c:\\x\r\nfrom b\r\ncmd X'),
  { name: 'owners are looked up in the image', steps: [BUILD], files: { Dockerfile: 'FROM busybox\nRUN echo "u:x:7:8::/:/bin/sh" >> /etc/passwd; echo "u:x:9:" >> /etc/group\nCOPY --chown=u dir /c\nRUN ls -ldn /c /c/in | cut -c1-30\n', 'dir/in': '' } },
  {
    name: 'a second build uses the cache until something changes', alone: true, files: { Dockerfile: 'FROM busybox\nLABEL story=cache\nCOPY one /one\nRUN cat /one\nARG V=1\nRUN echo $V\nENV E=x\n', one: '1\n' },
    steps: [
      'build --network none -t ~b ~dir', 'build --network none -t ~c ~dir', 'build --network none --build-arg V=2 -t ~d ~dir', 'build --network none --cache-from ~d -t ~f ~dir', quiet('build --network none --pull=false --no-cache -q -t ~e ~dir'),
      { line: "images --format '{{.Repository}}' --filter label=story=cache", sorted: true }, 'build --network none -t ~g ~dir', { line: 'rmi --force ~b ~c ~d ~e ~f ~g', only: /^Untagged: ~./ },
    ],
  },
  {
    name: 'flags of a build', files: { 'other/File': 'ARG A\nFROM busybox AS first\nARG A\nARG UNUSED\nRUN echo $A; cat /etc/hosts | grep added; ulimit -n; df -k /dev/shm | tail -1 | cut -c20-40\nFROM busybox\nRUN false\n' },
    steps: [
      'image build --no-cache --rm --force-rm --network none --build-arg A=given --build-arg NOT=1 --add-host added:1.2.3.4 --ulimit nofile=100:200 --shm-size 1m --memory 64m --memory-swap 128m --cpu-shares 512 --cpu-period 100000 --cpu-quota 50000 --cpuset-cpus 0 --cpuset-mems 0 --label l=m --label k="n o" --target FIRST --compress --file ~dir/other/File --tag ~b --tag ~b:two --iidfile ~dir/iid ~dir',
      CONFIG, "images --format '{{.Tag}}' ~b", 'build --quiet --network none --force-rm -f ~dir/other/File ~dir', 'build --target nosuch -f ~dir/other/File ~dir',
      { line: 'build --isolation default --cgroup-parent / --network none -q --pull=0 --target first -f ~dir/other/File ~dir', only: /^sha256:/ },
    ],
  },
  {
    name: 'what .dockerignore names is not there', files: { Dockerfile: 'FROM busybox\nCOPY . /c\nRUN find /c | sort\n', '.dockerignore': '# comment\n*\n!a*\n!d/**/keep\nab\nDockerfile\n', a: '', ab: '', ac: '', 'd/keep': '', 'd/e/keep': '', 'd/e/lose': '' },
    steps: ['build --no-cache --force-rm --network none -t ~b ~dir'],
  },
  { name: 'a Dockerfile from standard input', steps: [{ line: 'build --no-cache --network none -t ~b -', input: 'FROM busybox\nRUN echo piped\n' }, { line: 'build --no-cache --network none -t ~b -f - ~dir', input: 'FROM busybox\nCOPY . /x\n', only: /^(Step|Success).*/ }] },
  {
    name: 'a file of a step that failed is not there, and its status is the client\'s', files: { Dockerfile: 'FROM busybox\nRUN echo x > /x\nRUN cat /x; exit 42\n' },
    steps: ['build --no-cache --force-rm --network none -t ~b ~dir', "ps -a --filter ancestor=~b --format '{{.Names}}'"],
  },
  {
    name: 'an archive is unpacked by ADD and copied by COPY', files: { Dockerfile: 'FROM busybox\nADD t.tar /a/\nCOPY t.tar /c/\nADD one /o/\nRUN find /a /c /o | sort; cat /a/one\n', one: '1\n', 'pack/Dockerfile': 'FROM scratch\nCOPY one /\n', 'pack/one': '1\n' },
    steps: ['build -q -t ~p ~dir/pack', 'create --name ~c ~p x', 'cp ~c:/one ~dir/again', 'export -o ~dir/t.tar ~c', BUILD].map((line, at) => at < 4 ? { line, quiet: true as const } : { line, only: /^(\/a\/one|\/c.*|\/o.*|1)$/ }),
  },
  { name: 'the API of builds', alone: true, steps: [{ api: 'POST /build/prune' }, { api: 'POST /build?dockerfile=none', compare: 'whole' }, 'builder prune --force --keep-storage 1g', 'builder prune -f --filter until=1h'] },
  { name: 'a platform and security options', newer: true, files: { Dockerfile: 'FROM busybox\nARG TARGETARCH\nRUN echo arch $TARGETARCH\n' }, client: '28', steps: [{ line: 'build --network none --platform linux/amd64 -t ~b ~dir', says: /arch amd64/ }, { line: 'build --security-opt seccomp=unconfined ~dir', exits: 1, says: /does not support setting security options on build/ }] },
  { name: 'documents and mounts, which dockerd 20.10 leaves to BuildKit', newer: true, client: '28', files: { Dockerfile: 'FROM busybox\nCOPY <<EOF /f\nin a file\nEOF\nRUN --mount=type=cache,target=/c --mount=target=/x cat /f; ls /x; echo kept > /c/k\nRUN <<EOF\nls /c /x || echo gone\nEOF\n' }, steps: [{ line: 'build --no-cache --network none -t ~b ~dir', says: /in a file\nDockerfile\n[^]*gone/ }, quiet('builder prune -f')] },
  { name: 'no build without its context', refusals: true, steps: ['build ~dir/none', 'build -f nosuch ~dir', 'build', 'build a b', 'build -t BAD ~dir', 'build --build-arg', { api: 'POST /build', status: 500 }] },
  refused('mistakes in a Dockerfile are told with their line', [
    '', '# nothing\n', 'RUN x\n', 'FROM\n', 'FROM busybox foo\n', 'FROM busybox as 1a\n', 'FROM busybox\nFOO bar\n', 'FROM busybox\nCOPY x\n', 'FROM busybox\nENV\n', 'FROM busybox\nENV a\n', 'FROM busybox\nENV a=b c\n', 'FROM busybox\nLABEL a\n',
    'FROM busybox\nUSER\n', 'FROM busybox\nWORKDIR\n', 'FROM busybox\nVOLUME [""]\n', 'FROM busybox\nARG\n', 'FROM busybox\nSHELL foo\n', 'FROM busybox\nHEALTHCHECK foo\n', 'FROM busybox\nHEALTHCHECK --interval=1 CMD x\n', 'FROM busybox\nONBUILD FROM x\n',
    'FROM busybox\nONBUILD ONBUILD RUN\n', 'FROM busybox\nRUN --foo=x true\n', 'FROM busybox\nCOPY --foo=x x /\n', 'FROM busybox\nADD --from=0 x /\n', '# escape=x\nFROM busybox\n', 'FROM busybox\nCMD [1]\n',
  ]),
  refused('mistakes that a step finds', [
    'FROM ${X}\n', 'FROM scratch\n', 'FROM busybox as A\nFROM busybox as a\n', 'FROM busybox\nCOPY nope /\n', 'FROM busybox\nCOPY n* /\n', 'FROM busybox\nCOPY ../x /\n', 'FROM busybox\nCOPY x x /y\n', 'FROM busybox\nCOPY https://x/y /\n', 'FROM busybox\nCOPY --from=0 x /\n',
    'FROM busybox\nCOPY --from=1 x /\n', 'FROM busybox\nCOPY --chown=foo x /\n', 'FROM busybox\nEXPOSE abc\n', 'FROM busybox\nSTOPSIGNAL FOO\n', 'FROM busybox\nENV a=${b\n', 'FROM busybox\nCOPY x "/q q/"\n', 'FROM busybox\nRUN exit 3\n',
    'FROM busybox\nADD http://127.0.0.1:1/x /\n', 'FROM busybox\nUSER nosuch\nRUN true\n',
  ], { x: 'x\n' }),
]
