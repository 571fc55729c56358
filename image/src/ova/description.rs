//! The appliance's description in OVF.

use sekisho_config::model::{Card, Zone};

use super::DISK;

/// Enough for UEFI, and a multiple of four as VMware wants it.
const MEMORY_MIB: u32 = 64;

/// The text, for a disk that takes so many bytes in its file and has so many for the machine, and one card for each zone.
pub fn text(zones: &[Zone], [disk_bytes, capacity]: [usize; 2], notice: &str) -> String {
    let cards = cards(zones);
    let networks: String = cards
        .iter()
        .map(|zone| {
            format!(
                "    <Network ovf:name=\"{0}\">\n      <Description>The segment of zone {0}</Description>\n    </Network>\n",
                zone.name
            )
        })
        .collect();
    let adapters: String = cards
        .iter()
        .enumerate()
        .map(|(number, zone)| adapter(number, zone))
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US"
  xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
    <File ovf:id="file1" ovf:href="{DISK}" ovf:size="{disk_bytes}"/>
  </References>
  <DiskSection>
    <Info>The disk that it boots from</Info>
    <Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>One network for each zone</Info>
{networks}  </NetworkSection>
  <VirtualSystem ovf:id="sekisho">
    <Info>A firewall and router</Info>
    <Name>sekisho</Name>
    <AnnotationSection>
      <Info>About this appliance</Info>
      <Annotation>{annotation}</Annotation>
    </AnnotationSection>
    <OperatingSystemSection ovf:id="102" vmw:osType="otherGuest64">
      <Info>None: the firewall is the kernel</Info>
      <Description>Other 64-bit</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>The machine</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>sekisho</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-07</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:Description>Number of virtual CPUs</rasd:Description>
        <rasd:ElementName>1 virtual CPU</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:Description>Memory size</rasd:Description>
        <rasd:ElementName>{MEMORY_MIB} MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>{MEMORY_MIB}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Description>IDE controller</rasd:Description>
        <rasd:ElementName>IDE 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>
        <rasd:ResourceType>5</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
{adapters}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"#,
        annotation = escaped(&notice.replace('\r', "")),
    )
}

/// The zones in the order of their cards on the bus: by slot where they name slots, else as in the file.
fn cards(zones: &[Zone]) -> Vec<&Zone> {
    let mut cards: Vec<&Zone> = zones.iter().collect();
    cards.sort_by_key(|zone| match zone.card {
        Card::Slot(slot) => slot,
        Card::Mac(_) => 0,
    });
    cards
}

/// A card; the elements of an item stand in the order of the alphabet, as OVF's schema wants them.
fn adapter(number: usize, zone: &Zone) -> String {
    let address = match zone.card {
        Card::Mac(mac) => format!(
            "        <rasd:Address>{}</rasd:Address>\n",
            mac.map(|byte| format!("{byte:02x}")).join(":")
        ),
        Card::Slot(_) => String::new(),
    };
    format!(
        r#"      <Item>
{address}        <rasd:AddressOnParent>{number}</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>{name}</rasd:Connection>
        <rasd:Description>E1000 on the segment of zone {name}</rasd:Description>
        <rasd:ElementName>Ethernet {number}</rasd:ElementName>
        <rasd:InstanceID>{id}</rasd:InstanceID>
        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
"#,
        name = zone.name,
        id = 5 + number,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::{Document, Node};

    const CONFIG: &str = r#"version = 1
[zone.wan]
card = "52:54:00:00:00:01"
address = "192.0.2.1/24"
[zone.dmz]
card = "52:54:00:00:00:02"
address = "10.99.0.1/24"
"#;

    fn description(config: &str) -> String {
        let checked = sekisho_config::check(config.as_bytes()).expect("a valid configuration");
        text(
            &checked.config.zones,
            [700_000, 1 << 24],
            "<Sekisho> & GRUB\r\n",
        )
    }

    fn all<'a>(document: &'a Document, name: &str) -> Vec<Node<'a, 'a>> {
        let named = |node: &Node| node.tag_name().name() == name;
        document.descendants().filter(named).collect()
    }

    fn attribute<'a>(node: &Node<'a, '_>, name: &str) -> &'a str {
        let found = node.attributes().find(|found| found.name() == name);
        found.expect("it is required").value()
    }

    /// The items of a type, each with the text of one of its elements.
    fn items(document: &Document, kind: &str, element: &str) -> Vec<Option<String>> {
        let text = |item: &Node, name: &str| {
            let child = item
                .children()
                .find(|child| child.tag_name().name() == name);
            child.and_then(|child| child.text()).map(str::to_owned)
        };
        let items = all(document, "Item");
        let of_kind = items
            .iter()
            .filter(|item| text(item, "ResourceType").as_deref() == Some(kind));
        of_kind.map(|item| text(item, element)).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn each_zone_has_a_card_on_a_network_of_its_own() {
        let text = description(CONFIG);
        let document = Document::parse(&text).expect("well-formed");
        let networks = all(&document, "Network");
        let names: Vec<&str> = networks
            .iter()
            .map(|node| attribute(node, "name"))
            .collect();
        assert_eq!(names, ["wan", "dmz"]);
        assert_eq!(items(&document, "10", "Connection"), some(&["wan", "dmz"]));
        assert_eq!(
            items(&document, "10", "ResourceSubType"),
            some(&["E1000"; 2])
        );
        assert_eq!(
            items(&document, "10", "Address"),
            some(&["52:54:00:00:00:01", "52:54:00:00:00:02"])
        );
    }

    #[test]
    fn slots_put_the_cards_in_order() {
        let config = CONFIG
            .replace("card = \"52:54:00:00:00:01\"", "slot = 1")
            .replace("card = \"52:54:00:00:00:02\"", "slot = 0");
        let text = description(&config);
        let document = Document::parse(&text).expect("well-formed");
        assert_eq!(items(&document, "10", "Connection"), some(&["dmz", "wan"]));
        assert_eq!(items(&document, "10", "Address"), [None, None]);
    }

    #[test]
    fn the_disk_hangs_on_the_controller_and_leads_to_the_file() {
        let text = description(CONFIG);
        let document = Document::parse(&text).expect("well-formed");
        let (file, disk) = (all(&document, "File")[0], all(&document, "Disk")[0]);
        assert_eq!(attribute(&file, "href"), DISK);
        assert_eq!(attribute(&file, "size"), "700000");
        assert_eq!(attribute(&disk, "fileRef"), attribute(&file, "id"));
        assert_eq!(attribute(&disk, "capacity"), "16777216");
        let place = format!("ovf:/disk/{}", attribute(&disk, "diskId"));
        assert_eq!(items(&document, "17", "HostResource"), some(&[&place]));
        assert_eq!(
            items(&document, "17", "Parent"),
            items(&document, "5", "InstanceID")
        );
        assert_eq!(items(&document, "3", "VirtualQuantity"), some(&["1"]));
        assert_eq!(items(&document, "4", "VirtualQuantity"), some(&["64"]));
    }

    #[test]
    fn items_are_as_the_schema_wants_them() {
        let text = description(CONFIG);
        let document = Document::parse(&text).expect("well-formed");
        let mut numbers = Vec::new();
        for item in all(&document, "Item") {
            let elements = item.children().filter(Node::is_element);
            let names: Vec<&str> = elements
                .clone()
                .map(|child| child.tag_name().name())
                .collect();
            assert!(names.is_sorted(), "{names:?}");
            for required in ["ElementName", "InstanceID", "ResourceType"] {
                assert!(names.contains(&required), "{names:?}");
            }
            let number = elements
                .clone()
                .find(|child| child.tag_name().name() == "InstanceID");
            numbers.push(number.and_then(|child| child.text()).expect("a number"));
        }
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "each number once");
    }

    #[test]
    fn the_notice_is_text() {
        let text = description(CONFIG);
        let document = Document::parse(&text).expect("well-formed");
        let annotation = all(&document, "Annotation")[0].text();
        assert_eq!(annotation, Some("<Sekisho> & GRUB\n"));
    }
}
