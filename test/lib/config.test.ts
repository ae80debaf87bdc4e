import { describe, expect, it } from 'vitest'
import { passwordLeast, readConfig } from '../../lib/config.ts'

describe('the settings', () => {
  it('refuse a first password that the API would refuse, without repeating it', () => {
    const read = (password: string) => readConfig({ HOME: '/home/x', HDCS_ADMIN_PASSWORD: password }, false)
    const short = 'q'.repeat(passwordLeast - 1)
    expect(() => read(short)).toThrow(/^HDCS_ADMIN_PASSWORD should have 8 characters at least\.$/)
    expect(read(`${short}q`).adminPassword).toBe(`${short}q`)
    expect(read('').adminPassword).toBeNull()
  })

  it('keep desktops apart unless told by name not to', () => {
    const read = (text?: string) => readConfig({ HOME: '/home/x', HDCS_FIREWALL: text }, false).firewall
    expect([read(), read(''), read('on'), read('off')]).toEqual([true, true, true, false])
    expect(() => read('0')).toThrow(/^HDCS_FIREWALL is “0”; it should be on or off\.$/)
  })

  it('take an address of the host, and no name or wildcard that others could not dial', () => {
    const read = (address: string) => readConfig({ HOME: '/home/x', HDCS_HOST_ADDRESS: address }, false).hostAddress
    expect(read('')).toBeNull()
    expect(read('192.0.2.7')).toBe('192.0.2.7')
    for (const wrong of ['0.0.0.0', '::', 'host.example', '192.0.2.7:8080'])
      expect(() => read(wrong)).toThrow(/^HDCS_HOST_ADDRESS is/)
  })

  it('keep desktops in the data folder unless a storage folder is named by its whole path', () => {
    const read = (folder: string) => readConfig({ HOME: '/home/x', HDCS_STORAGE_DIR: folder }, false).storageFolder
    expect(read('')).toBeNull()
    expect(read('/srv/desktops')).toBe('/srv/desktops')
    expect(() => read('desktops')).toThrow(/^HDCS_STORAGE_DIR is “desktops”/)
  })

  it('serve images to other hosts on a port that may be another, or none', () => {
    const read = (port?: string) => readConfig({ HOME: '/home/x', HDCS_TRANSFER_PORT: port }, false).transferPort
    expect([read(), read(''), read('7000'), read('0')]).toEqual([16516, 16516, 7000, 0])
    for (const wrong of ['off', '65536', '-1']) expect(() => read(wrong)).toThrow(/^HDCS_TRANSFER_PORT is/)
  })

  it('put certificates where libvirt looks, when we may, unless another folder is named', () => {
    const read = (folder: string, root: boolean) =>
      readConfig({ HOME: '/home/x', HDCS_PKI_DIR: folder }, root).pkiFolder
    expect([read('', true), read('', false), read('/srv/pki', false)]).toEqual(['/etc/pki', null, '/srv/pki'])
    expect(() => read('pki', true)).toThrow(/^HDCS_PKI_DIR is “pki”/)
  })
})
