import { z } from '@hono/zod-openapi'
import { dongleBind, dongleList, dongleUnbind, usbDevices } from '../broker/dongles.ts'
import { actionSchema, idCursor, idParams, listOf, pageQuery, route, timestamp } from './route.ts'

const usbId = z.string().regex(/^[0-9a-f]{4}$/, 'four hexadecimal digits in lower case, as lsusb shows them')
const serial = z.string().min(1).max(126)
const port = z.string().regex(/^\d{1,3}-\d{1,3}(\.\d{1,3}){0,6}$/, 'a port like 1-4.2')

export const dongleSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    hostId: z.uuid(),
    hostName: z.string(),
    desktopId: z.uuid(),
    desktopName: z.string(),
    vendor: usbId,
    product: usbId,
    /** Null: it has none of its own, and is whatever of its kind is in `port`. */
    serial: z.string().nullable(),
    port: z.string().nullable(),
    /**
     * `waiting`: it is there, and the desktop does not run or gets it in a moment; `missing`: it is not plugged in;
     * `inUse`: somebody else on the host has it; `refused`: `text` says why. Null: its host has not said.
     */
    state: z.enum(['attached', 'waiting', 'missing', 'inUse', 'refused']).nullable(),
    text: z.string(),
    boundAt: timestamp,
    actions: z.array(actionSchema),
  })
  .openapi('Dongle')

const usbDeviceSchema = z
  .object({
    vendor: usbId,
    product: usbId,
    vendorName: z.string(),
    productName: z.string(),
    serial: z.string().nullable(),
    /** Where it is plugged in: the same as long as the same socket is used. */
    port: z.string(),
    bus: z.number().int(),
    /** Another one each time it is plugged in. */
    device: z.number().int(),
    /** Whose it is; null: nobody’s. */
    dongle: dongleSchema.nullable(),
    actions: z.array(actionSchema),
  })
  .openapi('UsbDevice')

export const dongleRoutes = [
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}/usb-devices',
    operationId: 'usbDeviceList',
    summary: 'USB devices that are plugged into a host, and which desktop has which of them',
    permission: 'host.read',
    params: idParams,
    answers: {
      200: z.object({
        /** False: the host cannot list them. */
        known: z.boolean(),
        items: z.array(usbDeviceSchema),
        /** Bound to desktops there, and not plugged in. */
        absent: z.array(dongleSchema),
      }),
    },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await usbDevices(broker, principal, params.id),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/dongles',
    operationId: 'dongleList',
    summary: 'USB devices of hosts that are bound to desktops',
    permission: 'desktop.read',
    query: pageQuery.extend({
      cursor: idCursor.optional(),
      hostId: z.uuid().optional(),
      desktopId: z.uuid().optional(),
    }),
    answers: { 200: listOf(dongleSchema) },
    handle: async ({ broker, principal, query }) => ({ status: 200, body: await dongleList(broker, principal, query) }),
  }),
  route({
    method: 'post',
    path: '/api/v1/dongles',
    operationId: 'dongleBind',
    summary:
      'Bind a USB device of a host to one persistent desktop there: no other gets it, and the desktop stays on that host',
    permission: 'desktop.write',
    body: z.object({
      hostId: z.uuid(),
      desktopId: z.uuid(),
      vendor: usbId,
      product: usbId,
      /** Needed only where several of its kind are plugged in. */
      serial: serial.optional(),
      port: port.optional(),
    }),
    answers: { 201: dongleSchema },
    handle: async ({ broker, principal, body }) => ({ status: 201, body: await dongleBind(broker, principal, body) }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/dongles/{id}',
    operationId: 'dongleUnbind',
    summary: 'Take a USB device from its desktop, at once; the desktop may move again',
    permission: 'desktop.write',
    params: idParams,
    answers: { 204: null },
    handle: async ({ broker, principal, params }) => {
      await dongleUnbind(broker, principal, params.id)
      return { status: 204, body: undefined }
    },
  }),
]
