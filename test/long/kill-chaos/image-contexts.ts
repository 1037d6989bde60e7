import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'

const BLOB_BYTES = 2 ** 19
const SHARED_BYTES = 2 ** 20
const OWN_BYTES = 2 ** 20

/** Tells with its status whether the image is whole. */
const CHECK = 'CMD ["sh", "-c", "sha256sum -c /sums"]'

/** What a worker builds: two stages, steps of every kind, 1 MiB; the same for the same name, so that a build that was cut off can be asked for again. */
export async function contextToBuild(name: string): Promise<Buffer> {
  return archive({
    Dockerfile: `FROM busybox AS first
ENV NAME=${name}
COPY data /data
RUN sha256sum /data/* >/sums
FROM busybox
ENV NAME=${name}
WORKDIR /work
COPY --from=first /data/a /data/
COPY --from=first /data/b /data/
COPY --from=first /sums /sums
RUN echo "$NAME" >made && sha256sum /work/made >>/sums
LABEL name=${name}
${CHECK}
`,
    'data/a': bytes(`${name} a`, BLOB_BYTES), 'data/b': bytes(`${name} b`, BLOB_BYTES),
  })
}

/** What is pulled: four layers, of which images share all but the last two. */
export async function contextToPull(name: string): Promise<Buffer> {
  return archive({
    Dockerfile: `FROM busybox\nCOPY shared /shared\nCOPY own /own\nRUN sha256sum /shared /own >/sums\n${CHECK}\n`,
    shared: bytes('shared', SHARED_BYTES), own: bytes(name, OWN_BYTES),
  })
}

/** As a tar. */
export async function archive(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const tar = pack()
  for (const [name, contents] of Object.entries(files)) tar.entry({ name }, contents)
  tar.finalize()
  return buffer(tar)
}

/** That nothing can compress. */
function bytes(name: string, count: number): Buffer { return createHash('shake256', { outputLength: count }).update(name).digest() }
