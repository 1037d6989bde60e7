import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'

interface Member { readonly name: string; readonly data?: Buffer | string; readonly type?: string; readonly link?: string; readonly sizeField?: Buffer }
const BLOCK = 512

/** A tar, byte by byte, so that it may say what no archiver would write. */
function tarOf(members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(member => {
    const data = Buffer.from(member.data ?? '')
    return [headerOf(member, data.length), data, Buffer.alloc((BLOCK - data.length % BLOCK) % BLOCK)]
  }), Buffer.alloc(2 * BLOCK)])
}

function headerOf({ name, type = '0', link = '', sizeField }: Member, size: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  const put = (at: number, text: string): void => { header.write(text, at) }
  put(0, name.slice(0, 99))
  put(100, '0000755\0'); put(108, '0000000\0'); put(116, '0000000\0')
  put(124, `${size.toString(8).padStart(11, '0')}\0`)
  sizeField?.copy(header, 124)
  put(136, '00000000000\0'); put(148, '        '); put(156, type); put(157, link.slice(0, 99)); put(257, 'ustar\x0000'); put(329, '0000000\0'); put(337, '0000000\0')
  put(148, `${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `)
  return header
}

/**
 * Archives of every kind of malice by name. good…: load takes them. image-…: for load only, refused. harmless-…: no image, but import takes them. Others: both refuse.
 * @param outside a folder that none of them may reach
 */
export function hostileTars(outside: string): ReadonlyMap<string, Buffer> {
  const layer = tarOf([{ name: 'hello', data: 'hi' }])
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`
  const config = { architecture: 'amd64', os: 'linux', config: { Cmd: ['sh'] }, rootfs: { type: 'layers', diff_ids: [diffId] } }
  const image = (file: unknown, manifest: unknown = [{ Config: 'config.json', RepoTags: ['good:1'], Layers: ['layer.tar'] }], data = layer): Buffer =>
    tarOf([{ name: 'layer.tar', data }, { name: 'config.json', data: typeof file === 'string' ? file : JSON.stringify(file) }, { name: 'manifest.json', data: typeof manifest === 'string' ? manifest : JSON.stringify(manifest) }])
  const up = '../'.repeat(12)
  const deep = Array.from({ length: 45 }, (_, i) => ({ name: 'L', type: 'L', data: `${'d/'.repeat((i + 1) * 222)}\0` })).flatMap(long => [long, { name: 'd', type: '5' }])
  const oci = (index: unknown, blobs: Readonly<Record<string, unknown>> = {}): Buffer => tarOf([{ name: 'index.json', data: JSON.stringify(index) }, ...Object.entries(blobs).map(([name, value]) => ({ name: `blobs/sha256/${name}`, data: JSON.stringify(value) }))])
  return new Map<string, Buffer>([
    ['good', image(config)], ['good-gzip', gzipSync(image(config))],
    ['empty', Buffer.alloc(0)], ['random', randomBytes(20_000)], ['text', Buffer.from('this is no tar\n'.repeat(200))], ['truncated', tarOf([{ name: 'big', data: randomBytes(50_000) }]).subarray(0, 20_000)],
    ['truncated-gzip', gzipSync(Buffer.concat([layer, randomBytes(50_000)])).subarray(0, 20_000)], ['gzip-of-nothing', Buffer.concat([Buffer.from([0x1f, 0x8b]), randomBytes(3000)])], ['xz-of-nothing', Buffer.concat([Buffer.from('fd377a585a00', 'hex'), randomBytes(3000)])],
    ['size-beyond-all', tarOf([{ name: 'x', data: 'x', sizeField: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]) }])], ['size-huge', tarOf([{ name: 'x', data: 'x', sizeField: Buffer.from('77777777777\0') }])],
    ['dot-dot', tarOf([{ name: `${up}${outside.slice(1)}/dot-dot`, data: 'x' }])], ['through-link', tarOf([{ name: 'out', type: '2', link: outside }, { name: 'out/through', data: 'x' }])], ['hard-link-out', tarOf([{ name: 'hard', type: '1', link: '/etc/passwd' }])], ['hard-link-up', tarOf([{ name: 'hard', type: '1', link: `${up}etc/passwd` }])],
    ['deep', tarOf(deep)],
    ['harmless-absolute', tarOf([{ name: `${outside}/absolute`, data: 'x' }])], ['harmless-devices', tarOf([{ name: 'block', type: '4' }, { name: 'char', type: '3' }, { name: 'fifo', type: '6' }])], ['harmless-no-manifest', layer],
    ['harmless-whiteouts', tarOf([{ name: 'out', type: '2', link: outside }, { name: 'a', type: '2', link: '.' }, { name: 'b', type: '2', link: '.' }, { name: '.wh.gone' }, { name: 'd/.wh...' }, { name: 'd/.wh.' }])],
    ['image-wrong-digest', image({ ...config, rootfs: { diff_ids: [`sha256:${'0'.repeat(64)}`] } })], ['image-digest-as-path', image({ ...config, rootfs: { diff_ids: ['sha256:../engine-id'] } })], ['image-random-layer', image(config, undefined, randomBytes(3000))],
    ['image-config-null', image('null')], ['image-config-list', image('[]')], ['image-config-broken', image('{')], ['image-env', image({ ...config, config: { Env: 5 } })], ['image-labels', image({ ...config, config: { Labels: [1] } })], ['image-history', image({ ...config, history: [null] })], ['image-created', image({ ...config, created: {} })],
    ['image-manifest-null', image(config, 'null')], ['image-manifest-items', image(config, [null])], ['image-manifest-types', image(config, [{ Config: 5 }])], ['image-layers', image(config, [{ Config: 'config.json', Layers: 5 }])], ['image-bad-name', image(config, [{ Config: 'config.json', RepoTags: ['../../x:!!'], Layers: ['layer.tar'] }])],
    ['image-absolute-members', image(config, [{ Config: '/etc/passwd', Layers: ['/etc/shadow'] }])], ['image-index-null', oci(null)], ['image-index-types', oci({ manifests: [{ digest: 5 }, null] })], ['image-index-loop', oci({ manifests: [{ digest: 'sha256:x' }] }, { x: { manifests: [{ digest: 'sha256:x', platform: { os: 'linux' } }] } })],
    ['image-links-in-circles', tarOf([{ name: 'manifest.json', type: '2', link: 'a' }, { name: 'a', type: '2', link: 'manifest.json' }])],
  ])
}
