/**
 * The OVF 1.1 descriptor of an exported template (DMTF DSP0243), as VirtualBox, VMware and virt-v2v read it: one machine,
 * its disk, and the hardware of the template as CIM resource items. Disk and card are of kinds that all of them have:
 * AHCI and E1000; what a guest has drivers for is its own affair.
 */

import { hardwareFull } from '../lib/hardware.ts'
import { diskBusKey } from '../lib/ovf.ts'
import { xml } from '../lib/xml.ts'
import type { ExportAbout } from './spec.ts'

const streamOptimized = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized'
const mib = 2 ** 20

/** Of CIM_ResourceAllocationSettingData, in the order that the schema asks for: that of their names. */
const fields = {
  Address: (value: string) => xml`<rasd:Address>${value}</rasd:Address>`,
  AddressOnParent: (value: string) => xml`<rasd:AddressOnParent>${value}</rasd:AddressOnParent>`,
  AllocationUnits: (value: string) => xml`<rasd:AllocationUnits>${value}</rasd:AllocationUnits>`,
  AutomaticAllocation: (value: string) => xml`<rasd:AutomaticAllocation>${value}</rasd:AutomaticAllocation>`,
  Connection: (value: string) => xml`<rasd:Connection>${value}</rasd:Connection>`,
  ElementName: (value: string) => xml`<rasd:ElementName>${value}</rasd:ElementName>`,
  HostResource: (value: string) => xml`<rasd:HostResource>${value}</rasd:HostResource>`,
  InstanceID: (value: string) => xml`<rasd:InstanceID>${value}</rasd:InstanceID>`,
  Parent: (value: string) => xml`<rasd:Parent>${value}</rasd:Parent>`,
  ResourceSubType: (value: string) => xml`<rasd:ResourceSubType>${value}</rasd:ResourceSubType>`,
  ResourceType: (value: string) => xml`<rasd:ResourceType>${value}</rasd:ResourceType>`,
  VirtualQuantity: (value: string) => xml`<rasd:VirtualQuantity>${value}</rasd:VirtualQuantity>`,
}
type Field = keyof typeof fields
type Resource = { [F in Field]?: string | number } & { ElementName: string; ResourceType: number }

const names = Object.keys(fields) as Field[]

/** What not every importer knows may be left away by it. */
const optional = { video: 24, sound: 35 }

function item(resource: Resource, index: number) {
  const all: Resource = { InstanceID: index + 1, ...resource }
  const written = names.map(name => all[name] !== undefined && fields[name](`${all[name]}`))
  const required = !Object.values(optional).includes(resource.ResourceType)
  return xml`
      <Item${!required && xml` ovf:required="false"`}>${written}</Item>`
}

/** In VMware's words what OVF has none for; whoever does not know them leaves them away. */
const configsOf = ({ hardware }: ExportAbout) => {
  const { firmware, diskBus } = hardwareFull(hardware)
  return [
    firmware === 'uefi' &&
      xml`
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>`,
    diskBus !== 'sata' &&
      xml`
      <vmw:ExtraConfig ovf:required="false" vmw:key="${diskBusKey}" vmw:value="${diskBus}"/>`,
  ]
}

const resourcesOf = ({ hardware }: ExportAbout): Resource[] => [
  { ElementName: `${hardware.vcpus} virtual CPU`, ResourceType: 3, VirtualQuantity: hardware.vcpus },
  {
    ElementName: 'memory',
    ResourceType: 4,
    AllocationUnits: 'byte * 2^20',
    VirtualQuantity: Math.ceil(hardware.memoryBytes / mib),
  },
  { ElementName: 'sata0', ResourceType: 20, ResourceSubType: 'AHCI', Address: 0 },
  { ElementName: 'disk1', ResourceType: 17, HostResource: 'ovf:/disk/vmdisk1', Parent: 3, AddressOnParent: 0 },
  {
    ElementName: 'network',
    ResourceType: 10,
    ResourceSubType: 'E1000',
    Connection: 'NAT',
    AutomaticAllocation: 'true',
  },
  { ElementName: 'video', ResourceType: optional.video, ResourceSubType: hardware.video },
  ...(hardware.sound ? [{ ElementName: 'sound', ResourceType: optional.sound, ResourceSubType: 'ich9' }] : []),
]

/** @throws HdcsError `invalid` for texts that XML cannot carry. */
export function ovfWrite(about: ExportAbout, disk: { name: string; sizeBytes: number; virtualBytes: number }): string {
  const annotation = [about.description, about.notes].filter(text => text !== '').join('\n')
  const envelope = xml`<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:id="file1" ovf:href="${disk.name}" ovf:size="${disk.sizeBytes}"/>
  </References>
  <DiskSection>
    <Info>The virtual disk</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="${disk.virtualBytes}" ovf:capacityAllocationUnits="byte" ovf:format="${streamOptimized}"/>
  </DiskSection>
  <NetworkSection>
    <Info>The networks</Info>
    <Network ovf:name="NAT"><Description>Out through the host</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="${about.name}">
    <Info>A virtual machine</Info>
    <Name>${about.name}</Name>${
      annotation !== '' &&
      xml`
    <AnnotationSection>
      <Info>What it is</Info>
      <Annotation>${annotation}</Annotation>
    </AnnotationSection>`
    }
    <OperatingSystemSection ovf:id="102">
      <Info>The guest’s system: not known</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>The virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>${about.name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>
      </System>${resourcesOf(about).map(item)}${configsOf(about)}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
`
  return `<?xml version="1.0" encoding="UTF-8"?>\n${envelope.xml}`
}
