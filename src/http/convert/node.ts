import { make } from '../../api/codec/codec.ts'
import type { Node as NodeJson, NodeDescription as DescriptionJson, NodeSpec as NodeSpecJson } from '../../api/engine/swarm-json.ts'
import type { TLSInfo } from '../../api/engine/engine-json.ts'
import type { Node, NodeDescription, TlsInfo } from '../../api/swarm/objects.ts'
import type { NodeSpec } from '../../api/swarm/specs.ts'
import { annotationsFromJson, annotationsToJson, metaToJson, resourcesToJson } from './common.ts'
import { base64Text, some, wordOf } from './json-value.ts'

export function nodeToJson(node: Node): NodeJson {
  const { spec, status, managerStatus } = node
  return {
    ID: node.id, ...metaToJson(node.meta),
    Spec: { ...annotationsToJson(spec?.annotations), Role: spec?.role ?? 'worker', Availability: spec?.availability ?? 'active' },
    Description: descriptionToJson(node.description), Status: { State: status?.state ?? 'unknown', Message: some(status?.message), Addr: some(status?.addr) },
    ManagerStatus: managerStatus === undefined ? undefined : { Leader: some(managerStatus.leader), Reachability: managerStatus.reachability, Addr: some(managerStatus.addr) },
  }
}

/** @throws ShoalError `bad-parameter`: role and availability must be given, as in Docker */
export function nodeSpecFromJson(json: NodeSpecJson): NodeSpec {
  return make('NodeSpec', {
    annotations: annotationsFromJson(json),
    role: wordOf(json.Role || ' ', ['worker', 'manager'], 'invalid Role:'), availability: wordOf(json.Availability || ' ', ['active', 'pause', 'drain'], 'invalid Availability:'),
  })
}

export function tlsInfoToJson(info: TlsInfo | undefined): TLSInfo {
  return info === undefined ? {} : {
    TrustRoot: some(info.trustRootPem), CertIssuerSubject: some(base64Text(info.certIssuerSubject)), CertIssuerPublicKey: some(base64Text(info.certIssuerPublicKey)),
  }
}

function descriptionToJson(description: NodeDescription | undefined): DescriptionJson {
  if (description === undefined) return { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} }
  return {
    Hostname: some(description.hostname), Platform: { Architecture: some(description.platform?.architecture), OS: some(description.platform?.os) },
    Resources: description.resources === undefined ? {} : resourcesToJson(description.resources),
    Engine: {
      EngineVersion: some(description.engineVersion), Labels: some(description.engineLabels),
      Plugins: some(description.plugins.map(({ type, name }) => ({ Type: type, Name: name }))),
    },
    TLSInfo: tlsInfoToJson(description.tlsInfo),
  }
}
