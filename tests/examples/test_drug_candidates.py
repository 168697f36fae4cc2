"""The example of drug candidates: its library, hosts, model and tables, each on a known answer."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.errors import QueristError

pytest.importorskip("rdkit")

FOLDER = Path(__file__).parents[2] / "examples" / "drug_candidates"
MODULES = (
    "molecules",
    "hosts",
    "kinase",
    "pocket",
    "mutants",
    "receptors",
    "docking",
    "tanimoto",
    "truth",
    "drawing",
    "recall",
    "mmff",
    "dynamics",
    "pairs",
    "fidelities",
    "funnel",
)
BETA = "C42H70O35"  # beta-cyclodextrin


def test_the_library_has_500_molecules_that_are_put_together_of_its_parts(example) -> None:
    from rdkit import Chem

    m = example.molecules
    assert len(set(m.library())) == 500
    head, linker, tail = m.parts_of(6 * 50 + 2 * 10 + 9)
    assert (head, linker, tail) == ("azaindolyl", "urea", "adamantyl")
    molecule = Chem.MolFromSmiles(m.library()[329])
    for smarts in ("NC(=O)N", "C12CC3CC(CC(C3)C1)C2", "c1c[nH]c2ncccc12"):
        assert molecule.HasSubstructMatch(Chem.MolFromSmiles(smarts))


def test_beta_cyclodextrin_is_a_ring_of_seven_glucoses_that_stays_open(example) -> None:
    from rdkit.Chem.rdMolDescriptors import CalcMolFormula

    h = example.hosts
    ring = h.cyclodextrin(7)
    assert CalcMolFormula(ring) == BETA
    places = ring.GetConformer().GetPositions()
    from_axis = np.linalg.norm(places[:, :2], axis=1)
    assert from_axis.min() > 3.5  # H3 and H5 line the cavity; in crystals about 4.2 to 4.7 A
    assert np.abs(places[:, 2]).max() < 5.5
    lines = h.rigid_pdbqt(ring).splitlines()
    kinds = [line.split()[-1] for line in lines]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"C": 42, "OA": 35, "HD": 21}
    assert abs(sum(float(line[70:76]) for line in lines)) < 0.05


def test_the_process_gives_labels_back_and_knows_what_it_has_not_seen(example) -> None:
    from querist.core.answers import Dataset
    from querist.core.batch import Batch
    from querist.core.roles import FitRequest

    rng = np.random.default_rng(0)
    bits = np.unique((rng.random((200, 20)) < 0.4).astype(float), axis=0)[rng.permutation(180)]
    y = bits @ rng.normal(size=20)
    known = Dataset(Batch.stack(fingerprint=bits[:140]), Batch.stack(affinity=y[:140]))
    model = example.tanimoto.TanimotoProcess(draws=400)
    result = model.fit(known, FitRequest(seed=1))
    model.load(result.state)
    said = model.predict(Batch.stack(fingerprint=bits))
    mean, std = (np.asarray(part["affinity"]) for part in (said.mean, said.std))
    assert np.corrcoef(mean[:140], y[:140])[0, 1] > 0.98
    assert np.corrcoef(mean[140:], y[140:])[0, 1] > 0.7
    assert std[:140].mean() < 0.5 * std[140:].mean()
    drawn = np.stack([np.asarray(member["affinity"]) for member in said.members])
    np.testing.assert_allclose(drawn.std(axis=0), std, rtol=0.3)


def test_the_best_noise_is_that_of_the_largest_density(example) -> None:
    """The closed form agrees with the multivariate normal's density, up to a constant."""
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(3)
    bits = (rng.random((12, 50)) < 0.3).astype(float)
    y = rng.normal(size=12)
    kernel = example.tanimoto.tanimoto(bits, bits)
    values, vectors = np.linalg.eigh(kernel)
    rotated = vectors.T @ y, vectors.T @ np.ones(12)
    offsets = []
    for ratio in (0.01, 0.1, 1.0):
        worth, mean, scale = example.tanimoto.evidence(values, rotated, ratio)
        density = multivariate_normal(np.full(12, mean), scale * (kernel + ratio * np.eye(12)))
        offsets.append(worth - density.logpdf(y))
    assert np.ptp(offsets) < 1e-6


def test_a_table_that_was_cut_off_is_read_and_gone_on_with(example, tmp_path, monkeypatch) -> None:
    t = example.truth
    asked = []

    def dock(ligand, host, exhaustiveness):
        asked.append(ligand)
        return example.docking.Docked(-5.0, 0.1, 0.1, "")

    monkeypatch.setattr(t, "library", lambda: ("C", "CC", "CCC"))
    monkeypatch.setattr(t, "ligand_pdbqt", lambda smiles: smiles)
    monkeypatch.setattr(t, "host_named", lambda name: None)
    monkeypatch.setattr(t, "typed", lambda name: None)
    monkeypatch.setattr(t, "dock", dock)
    moved = example.dynamics.Rescored(np.array([-9.0, -11.0]), 0.5, 4.0)
    monkeypatch.setattr(t, "rescore", lambda pose, host: moved)
    path = tmp_path / "beta-1.csv"
    path.write_text("index,smiles,energy,seconds\n1,CC,-4.000,0.10\n0,C,-4", encoding="utf-8")
    assert set(t.read(path)) == {1}
    t.exhaust("beta", "1", tmp_path)
    assert sorted(asked) == ["C", "CCC"]
    assert {row: energy for row, (energy, _) in t.read(path).items()} == {0: -5, 1: -4, 2: -5}
    assert set(t.read(t.exhaust("beta", "dynamics", tmp_path)).values()) == {(-10.0, 4.1)}


def test_a_search_asks_each_molecule_once_and_counts_the_best(example) -> None:
    r = example.recall
    rng = np.random.default_rng(5)
    bits = (rng.random((120, 80)) < 0.2).astype(float)
    pool = r.Pool(bits, bits @ rng.normal(size=80), np.ones(120))
    shares = {}
    for strategy in r.STRATEGIES:
        order = r.search(pool, strategy, seed=0)
        assert len(set(order.tolist())) == len(order) >= 60
        shares[strategy] = r.found(pool, order)[59]
    assert shares["greedy"] > shares["random"]
    assert r.found(pool, np.argsort(-pool.affinity))[19] == 1.0


def test_a_threonine_becomes_an_isoleucine_in_place(example, tmp_path) -> None:
    """The tetrahedron at CB stays; CD1 is a bond away from CG1, and away from everything else."""
    lines = [
        "ATOM      1  N   THR A 315      14.488  53.206   7.369  1.00  0.00    -0.341 N ",
        "ATOM      2  CA  THR A 315      13.210  52.957   8.030  1.00  0.00     0.199 C ",
        "ATOM      3  CB  THR A 315      13.279  53.135   9.552  1.00  0.00     0.143 C ",
        "ATOM      4 CG2  THR A 315      14.424  52.319  10.148  1.00  0.00     0.041 C ",
        "ATOM      5 OG1  THR A 315      13.462  54.521   9.857  1.00  0.00    -0.389 OA",
        "ATOM      6 HG1  THR A 315      12.723  55.016   9.522  1.00  0.00     0.211 HD",
        "ATOM      7  CB  ALA A 316      14.900  55.900  11.900  1.00  0.00     0.041 C ",
    ]
    host = example.hosts.Host("1iep", "\n".join(lines) + "\n", (0, 0, 0), (20, 20, 20))
    m = example.mutants
    changed = m.mutated(host, "T315I").pdbqt.splitlines()
    kinds = {m.name_of(line): line.split()[-1] for line in changed if "ILE" in line}
    assert kinds == {"N": "N", "CA": "C", "CB": "C", "CG2": "C", "CG1": "C", "CD1": "C"}
    places = {m.name_of(line): m.place_of(line) for line in changed if "ILE" in line}
    assert abs(np.linalg.norm(places["CD1"] - places["CG1"]) - 1.53) < 2e-3
    assert min(np.linalg.norm(places["CD1"] - places[n]) for n in ("CB", "CA", "CG2", "N")) > 2.4
    assert np.linalg.norm(places["CD1"] - m.place_of(lines[-1])) > 2.4
    with pytest.raises(Exception, match="wants PHE at 317"):
        m.mutated(host, "F317L")


def test_what_is_missing_is_said_in_a_sentence(example, tmp_path, monkeypatch) -> None:
    with pytest.raises(Exception, match=r"Wanted 1iep_receptor.pdbqt .*`python kinase.py`"):
        example.kinase.from_folder(tmp_path)
    monkeypatch.delenv("DRUG_CANDIDATES_RECEPTOR", raising=False)
    with pytest.raises(Exception, match="DRUG_CANDIDATES_RECEPTOR is not set"):
        example.receptors.host_named("1iep")


@pytest.fixture
def bank(example, monkeypatch):
    """A server in the place of the Protein Data Bank: what it answers, and what was asked of it."""
    answers, asked = {"text": b"", "status": 200}, []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answers["status"])
            self.end_headers()
            self.wfile.write(answers["text"])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(
        example.kinase, "ADDRESS", f"http://127.0.0.1:{server.server_port}/1IEP.pdb"
    )
    yield answers, asked
    server.shutdown()
    thread.join()
    server.server_close()


def entry() -> str:
    """A chain A of four residues with imatinib beside it, as an entry of the Protein Data Bank."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    chain = Chem.AddHs(Chem.MolFromSequence("ASGA"))
    AllChem.EmbedMolecule(chain, randomSeed=1)
    drug = Chem.AddHs(Chem.MolFromSmiles(IMATINIB))
    AllChem.EmbedMolecule(drug, randomSeed=1)
    drug = Chem.RemoveHs(drug)
    for number, atom in enumerate(drug.GetAtoms(), start=1):
        name = f" {atom.GetSymbol()}{number:<2d}"
        info = Chem.AtomPDBResidueInfo(name, residueName="STI", residueNumber=201, chainId="A")
        info.SetIsHeteroAtom(True)
        atom.SetMonomerInfo(info)
    blocks = [Chem.MolToPDBBlock(one) for one in (Chem.RemoveHs(chain), drug)]
    lines = [line for block in blocks for line in block.splitlines()]
    return "\n".join(line for line in lines if line[:6] in ("ATOM  ", "HETATM")) + "\n"


IMATINIB = "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"


def test_an_entry_is_fetched_once_and_prepared(example, bank, tmp_path) -> None:
    answers, asked = bank
    answers["text"] = entry().encode()
    said = []
    for _ in range(2):
        path = example.kinase.fetch(tmp_path / "1iep", said.append)
    assert asked == ["/1IEP.pdb"]
    assert "half a megabyte" in said[0]
    assert str(tmp_path) in said[0]
    kinase = example.kinase.from_folder(example.kinase.prepare(path))
    assert kinase.crystal.GetNumHeavyAtoms() == 37
    kinds = [line.split()[-1] for line in kinase.host.pdbqt.splitlines() if line[:4] == "ATOM"]
    assert kinds.count("N") + kinds.count("NA") == 4
    assert kinds.count("HD") >= 4


def test_a_bank_that_does_not_answer_is_a_sentence_and_nothing_is_kept(
    example, bank, tmp_path, monkeypatch
) -> None:
    answers, _ = bank
    for change, told in (
        ({"status": 404}, r"cannot be reached \(HTTP Error 404.*needs no network"),
        ({"status": 200, "text": b"<html>Who are you?"}, r"no entry with imatinib .*no network"),
    ):
        answers.update(change)
        with pytest.raises(QueristError, match=told):
            example.kinase.fetch(tmp_path, str)
    monkeypatch.setattr(example.kinase, "ADDRESS", "http://127.0.0.1:9/1IEP.pdb")
    with pytest.raises(QueristError, match=r"cannot be reached \(.*refused"):
        example.kinase.fetch(tmp_path, str)
    assert list(tmp_path.iterdir()) == []


def test_a_pocket_has_all_hydrogens_and_the_charges_of_its_acids(example, tmp_path) -> None:
    """Cut at a distance: a residue far away is left out, and MMFF94 knows every atom."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    chain = Chem.AddHs(Chem.MolFromSequence("GDKGA"))
    AllChem.EmbedMolecule(chain, randomSeed=3)
    text = "\n".join(
        line for line in Chem.MolToPDBBlock(Chem.RemoveHs(chain)).splitlines() if "ATOM" in line
    )
    host = example.hosts.Host("chain", example.kinase.receptor_pdbqt(text), (0, 0, 0), (9, 9, 9))
    lines = [line for line in host.pdbqt.splitlines() if line[17:20] == "ASP"]
    place = np.array([example.mutants.place_of(line) for line in lines])
    whole = example.pocket.cut(host, place, reach=100.0)
    told = [(atom.GetPDBResidueInfo(), atom.GetFormalCharge()) for atom in whole.GetAtoms()]
    charged = {(r.GetResidueName(), r.GetName().strip()): q for r, q in told if q}
    assert charged == {("ASP", "OD2"): -1, ("LYS", "NZ"): 1, ("ALA", "OXT"): -1}
    near = example.pocket.cut(host, place, reach=1.0)
    heavy = [atom for atom in near.GetAtoms() if atom.GetAtomicNum() > 1]
    assert {atom.GetPDBResidueInfo().GetResidueName() for atom in heavy} == {"ASP"}
    assert near.GetNumAtoms() < whole.GetNumAtoms()
    assert min(atom.GetFormalCharge() for atom in near.GetAtoms()) == -1
    assert AllChem.MMFFGetMoleculeProperties(near) is not None
    assert all(atom.GetNumImplicitHs() == 0 for atom in near.GetAtoms())


def test_mmff_in_openmm_is_that_of_rdkit(example) -> None:
    pytest.importorskip("openmm")
    for smiles in ("CC(=O)NC", "C#Cc1ccccc1", "Cc1c(Cl)cccc1NC(=O)Nc1nccs1"):
        assert example.dynamics.difference(smiles) < 2e-3  # kcal/mol


def test_a_rigid_host_has_the_energy_of_its_contacts_alone(example) -> None:
    """What both have together and neither has alone, as RDKit has it."""
    mm = pytest.importorskip("openmm")
    from rdkit import Chem
    from rdkit.Chem import AllChem

    host, guest = (example.docking.embedded(one) for one in ("OCC(O)CO", "CC(=O)NC"))
    places = guest.GetConformer().GetPositions() + np.array([0.0, 0.0, 4.5])
    guest.GetConformer().SetPositions(np.ascontiguousarray(places))
    both = Chem.CombineMols(host, guest)
    Chem.SanitizeMol(both)

    def by_rdkit(molecule) -> float:
        told = AllChem.MMFFGetMoleculeProperties(molecule)
        field = AllChem.MMFFGetMoleculeForceField(
            molecule, told, nonBondedThresh=1000.0, ignoreInterfragInteractions=False
        )
        return field.CalcEnergy()

    def by_openmm(molecule, rigid: int = 0) -> float:
        system = example.mmff.system_of(molecule, rigid=rigid)
        platform = mm.Platform.getPlatformByName("Reference")
        context = mm.Context(system, mm.VerletIntegrator(0.001), platform)
        context.setPositions(0.1 * molecule.GetConformer().GetPositions())
        return example.dynamics.energy_of(context)

    wanted = by_rdkit(both) - by_rdkit(host) - by_rdkit(guest)
    got = by_openmm(both, host.GetNumAtoms()) - by_openmm(guest)
    assert abs(wanted) > 0.05
    assert abs(got - wanted) < 2e-3


def test_the_best_of_every_host_is_counted(example) -> None:
    values = np.array([[3.0, 0.0], [2.0, 5.0], [1.0, 4.0]])
    found = example.pairs.best_found(np.array([0, 2, 4]), values, top=1)
    np.testing.assert_array_equal(found, [[1, 0], [1, 0], [1, 1]])
    rows, told = example.pairs.winners(("alpha", "beta"), [0, 1, 2], values).values()
    assert rows["affinity"] == {"alpha": 3.0, "beta": 0.0}
    assert told["molecule"] == "pyridinyl-amide-tolyl"
    changes = example.pairs.by_part([0, 1, 2], values)  # in one head and linker
    assert changes["pyridinyl"] == changes["amide"] == [[pytest.approx(1.0), pytest.approx(2.0)]]
    assert "urea" not in changes


@pytest.mark.slow  # some searches
def test_one_search_over_pairs_learns_from_all_hosts(example) -> None:
    """Where hosts agree it beats chance; of few molecules no searches are compared."""
    p = example.pairs
    rows = list(range(0, 400, 4))
    bits = example.molecules.fingerprints([example.molecules.library()[row] for row in rows])
    values = (bits @ np.random.default_rng(1).normal(size=bits.shape[1]))[:, None] + np.zeros(2)
    told = p.facts(rows, values, ("alpha", "beta"), 1)
    assert told["best found"]["together"][0] > 1.5 * told["best found"]["random"][0]
    assert told["correlations"] == [[1.0, 1.0], [1.0, 1.0]]
    assert "best found" not in p.facts(rows[:30], values[:30], ("alpha", "beta"), 2)


def test_only_a_dear_answer_counts_as_the_best(example) -> None:
    f = example.fidelities
    dear = {row: (-float(row), 0.5) for row in range(21)}
    known = {f.CHEAP: dict.fromkeys(dear, (-25.0, 0.1)), f.DEAR: dear}

    def asked(row: int, level: int) -> SimpleNamespace:
        energy, seconds = known[level][row]
        outputs = {"affinity": -energy, "seconds": seconds}
        return SimpleNamespace(settings={"level": level}, outputs=outputs)

    trials = [asked(20, f.CHEAP), asked(0, f.DEAR), asked(20, f.DEAR), asked(3, f.DEAR)]
    assert f.first(known, trials) == pytest.approx(1.1)
    assert f.first(known, trials[:2]) == np.inf


@pytest.mark.slow  # searches
def test_an_honest_cheap_answer_finds_the_best_sooner(example) -> None:
    f = example.fidelities
    rows = range(0, 500, 11)
    bits = example.molecules.fingerprints([example.molecules.library()[row] for row in rows])
    energies = -(bits @ np.random.default_rng(2).normal(size=bits.shape[1]))
    dear = {row: (float(energy), 1.0) for row, energy in zip(rows, energies, strict=True)}
    known = {f.CHEAP: {row: (energy, 0.05) for row, (energy, _) in dear.items()}, f.DEAR: dear}
    assert f.agreement(known)["worth"] == pytest.approx(20.0)
    told = f.compared(known, 1, 12.0)
    assert told["both"]["cheap"] > told["both"]["dear"]
    assert told["both"]["median"] <= told["dear alone"]["median"]
    assert told["both"]["found"] == 1


def test_cheap_answers_first_find_half_of_the_best_sooner_where_they_are_true(example) -> None:
    f = example.funnel
    rng = np.random.default_rng(4)
    bits = (rng.random((150, 60)) < 0.25).astype(float)
    dear = bits @ rng.normal(size=60)
    seconds = np.array([np.full(150, 0.02), np.ones(150)])
    true = f.Answers(bits, np.array([dear - 1.0, dear]), seconds)
    half = {share: f.searched(true, 0, share) for share in (0.0, 0.04)}
    times = {
        share: np.array(one.spent)[np.array(one.found) >= 0.5][0] for share, one in half.items()
    }
    assert times[0.04] < 0.8 * times[0.0]
    alone = half[0.0]
    assert alone.asked[0] == []
    assert len(set(alone.asked[1])) == len(alone.asked[1]) >= 0.35 * 150
    assert f.Answers(bits, true.affinity, seconds).marked(1, [0], 3)[0, -6:].tolist() == [
        *[0.0] * 3,
        *[1.0] * 3,
    ]
