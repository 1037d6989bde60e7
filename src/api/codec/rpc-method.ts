import type { RpcKind, RpcMethod } from '../../base/rpc.ts'
import type { MessageName, MessageTypes } from './message-types.ts'
import { decode, encode, type Draft } from './codec.ts'

/** One rpc of proto/ with its encoding, for RpcServer and RpcClient. */
export function rpcMethod<Req, Res>(path: string, kind: RpcKind, request: MessageName, response: MessageName): RpcMethod<Req, Res> {
  return {
    path, kind,
    encodeRequest: value => encode(request, value as Draft<MessageTypes[MessageName]>),
    decodeRequest: bytes => decode(request, bytes) as Req,
    encodeResponse: value => encode(response, value as Draft<MessageTypes[MessageName]>),
    decodeResponse: bytes => decode(response, bytes) as Res,
  }
}
