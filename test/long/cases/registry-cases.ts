import { quiet, type Scenario } from './case.ts'

/** Registries beside each daemon, on its host's loopback: one for everybody, one for "user" with the password "secret". */
export const REGISTRIES = [{ address: '127.0.0.1', port: 5000, auth: false }, { address: '127.0.0.1', port: 5001, auth: true }] as const
/** Layers that a registry has seen in another repository are mounted from there, as it happens: what is said of a layer is left out. */
const PUSHED = /^The push refers.*|^\S+: digest: \S+/
const PULLED = /^\S+: Pulling from .*|^(Digest|Status): .*|^localhost:.*/
/** A page of an index in the form of Docker Hub's. */
const INDEX = JSON.stringify({ num_results: 2, query: 'box', results: [{ name: 'team/box', description: 'a box to put things into, which is described at such length that a table cuts it', star_count: 7, is_official: false, is_automated: false }, { name: 'box', description: '', star_count: 70, is_official: true, is_automated: false }] })

function boxAs(...tags: readonly string[]): readonly ReturnType<typeof quiet>[] { return tags.map(tag => quiet(`tag busybox localhost:5000/${tag}`)) }

/** Images that go to a registry and come back, and who may. */
export const REGISTRY_CASES: readonly Scenario[] = [
  {
    name: 'an image goes out, comes back and runs', steps: [
      ...boxAs('~b:1'), { line: 'push localhost:5000/~b:1', only: PUSHED }, { line: 'pull localhost:5000/~b:1', only: PULLED }, quiet('rmi localhost:5000/~b:1'), { line: 'pull localhost:5000/~b:1', only: PULLED }, { line: "image inspect --format '{{.RepoTags}} {{.RepoDigests}}' localhost:5000/~b:1", only: /localhost:5000\/~b[^ \]]*/ },
      quiet('rmi localhost:5000/~b:1'), { line: 'run --rm localhost:5000/~b:1 echo came' }, { line: 'run --pull always --quiet --rm localhost:5000/~b:1 echo came' }, { line: 'create --pull always --name ~c localhost:5000/~b:1', only: /^<hex>/ }, { line: 'ps -a --filter name=~c --format {{.Image}}' },
      { api: 'GET /distribution/localhost:5000/~b:1/json' }, { line: "images --digests --format '{{.Repository}} {{.Tag}} {{.Digest}}' localhost:5000/~b" },
    ],
  },
  {
    name: 'all tags at once, quietly', steps: [
      ...boxAs('~b:1', '~b:2'), { line: 'push --all-tags localhost:5000/~b', only: PUSHED, sorted: true }, 'push --quiet localhost:5000/~b:1', 'push -q -a localhost:5000/~b', quiet('rmi localhost:5000/~b:1 localhost:5000/~b:2'), { line: 'pull --all-tags localhost:5000/~b', only: PULLED, sorted: true },
      'pull --quiet localhost:5000/~b:2', 'pull -a -q localhost:5000/~b', { line: 'images --format {{.Tag}} localhost:5000/~b', sorted: true }, { line: 'pull --platform linux/amd64 --disable-content-trust localhost:5000/~b:1', only: PULLED }, { line: 'push --disable-content-trust localhost:5000/~b:1', only: PUSHED },
    ],
  },
  { name: 'of one platform', client: '28', newer: true, steps: [...boxAs('~b:1'), { line: 'push --platform linux/amd64 localhost:5000/~b:1', says: /1: digest: <digest> size: \d+/ }, { line: 'pull --platform linux/amd64 --quiet localhost:5000/~b:1', says: /localhost:5000\/~b:1/ }] },
  {
    name: 'what a registry does not have, and registries that are not there', steps: [
      ...boxAs('~b:1'), quiet('push localhost:5000/~b:1'), 'pull localhost:5000/~b:none', 'pull localhost:5000/~none', 'pull --all-tags localhost:5000/~none', 'push localhost:5000/~none', 'push --all-tags localhost:5000/~none', 'pull localhost:5999/~b:1', 'pull -a localhost:5000/~b:1', 'push -a localhost:5000/~b:1',
      `pull localhost:5000/~b@sha256:${'0'.repeat(64)}`, 'run --rm localhost:5000/~b:none true', { api: 'GET /distribution/localhost:5000/~none/json' }, { api: 'POST /images/create?fromImage=localhost:5000/~b&tag=none', compare: 'whole' },
    ],
  },
  {
    name: 'login, and what is refused without', steps: [
      quiet('tag busybox localhost:5001/~b:1'), { line: 'push localhost:5001/~b:1', only: /^The push.*/ }, 'pull localhost:5001/~b:1', 'login --username user --password wrong localhost:5001', { line: 'login --username user --password secret localhost:5001', only: /^Login.*/ }, { line: 'push localhost:5001/~b:1', only: PUSHED },
      'logout localhost:5001', 'logout localhost:5001', { line: 'login -u user --password-stdin localhost:5001', input: 'secret', only: /^Login.*/ }, { line: 'pull localhost:5001/~b:1', only: PULLED }, { line: 'login localhost:5001', only: /^Login.*/ }, { line: 'login -u user -p secret localhost:5999', only: /^Login.*/ },
      { api: 'POST /auth', body: { username: 'user', password: 'secret', serveraddress: 'localhost:5001' } }, { api: 'POST /auth', body: { username: 'user', password: 'wrong', serveraddress: 'localhost:5001' } },
    ],
  },
  {
    name: 'an index is searched', files: { 'www/v1/search': INDEX, 'www/v1/_ping': 'true' }, steps: [
      quiet('run -d --name ~c -v ~dir/www:/www -p 127.0.0.1:18050:80 busybox httpd -f -p 80 -h /www'), { line: 'search localhost:18050/box', until: /team/ }, 'search --limit 1 --no-trunc localhost:18050/box', "search --filter is-official=true --format '{{.Name}} {{.StarCount}}' localhost:18050/box",
      'search --filter stars=50 --format {{.Name}} localhost:18050/box', 'search --filter bogus=1 localhost:18050/box', 'search --filter stars=x localhost:18050/box', 'search --limit 101 localhost:18050/box', 'search localhost:5999/box',
    ],
  },
]
